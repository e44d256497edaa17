#!/bin/bash
# Writes the lock files: pinned versions and hashes, no addresses, no paths.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"${PYTHON:-python3}" -m venv "$tools/venv"
"$tools/venv/bin/python" -m pip --quiet --disable-pip-version-check install --only-binary :all: -r requirements/lock.in

resolve() { # <least Python> <output> <further options>
    local python=$1 output=$2
    shift 2
    "$tools/venv/bin/uv" pip compile pyproject.toml "$@" \
        --quiet --no-config --no-header --no-annotate --no-python-downloads \
        --generate-hashes --only-binary :all: --upgrade \
        --universal --fork-strategy fewest --python-version "$python" \
        --constraints requirements/constraints.txt --output-file "requirements/$output"
}

resolve 3.9 pilot.txt
# The old tools run with what the pilot runs with.
resolve 3.9 smoke39.txt requirements/smoke.in --constraints requirements/pilot.txt
resolve 3.11 demo.txt requirements/build.in --extra server --extra client --extra mc
# The tests run what the demo runs. All extras but psij, which takes no psutil as new as that, and is run apart.
mapfile -t extras < <("$tools/venv/bin/python" -c '
import tomllib
with open("pyproject.toml", "rb") as file:
    extras = tomllib.load(file)["project"]["optional-dependencies"]
print(*(f"--extra={name}" for name in extras if name != "psij"), sep="\n")')
resolve 3.11 test.txt requirements/build.in "${extras[@]}" --constraints requirements/demo.txt
"$tools/venv/bin/uv" pip compile requirements/psij.in \
    --quiet --no-config --no-header --no-annotate --no-python-downloads --generate-hashes --only-binary :all: --upgrade \
    --python-version 3.11 --python-platform x86_64-manylinux_2_28 --output-file requirements/psij.txt
# A server of its own, which the tests talk to: one machine's, and one package has to be built.
"$tools/venv/bin/uv" pip compile requirements/rucio-server.in \
    --quiet --no-config --no-header --no-annotate --no-python-downloads --generate-hashes --upgrade \
    --python-version 3.11 --python-platform x86_64-manylinux_2_28 --output-file requirements/rucio-server.txt
# PanDA's client, on the same.
"$tools/venv/bin/uv" pip compile requirements/panda-client.in \
    --quiet --no-config --no-header --no-annotate --no-python-downloads --generate-hashes --upgrade \
    --python-version 3.11 --python-platform x86_64-manylinux_2_28 --output-file requirements/panda-client.txt
# PanDA's pilot, which needs nothing beside it.
"$tools/venv/bin/uv" pip compile requirements/panda-pilot.in \
    --quiet --no-config --no-header --no-annotate --no-python-downloads --generate-hashes --upgrade \
    --python-version 3.11 --python-platform x86_64-manylinux_2_28 --output-file requirements/panda-pilot.txt
