#!/bin/bash
# panda_client.sh FOLDER: PanDA's client in a virtual environment, for tests. Safe to run twice, and side by side.
#
# What is installed is locked in requirements/panda-client.txt. The Python is 3.11 where there is one, as the lock is made for.
set -euo pipefail

folder=$(realpath -m "${1:?usage: panda_client.sh FOLDER}")
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/unpack.sh"
lock=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../../requirements/panda-client.txt")

pip=("$folder/bin/python" -m pip --quiet --disable-pip-version-check --no-input install --no-compile --no-deps --require-hashes)

install_client() {
    "$(command -v python3.11 || command -v python3)" -m venv "$folder"
    # The client itself has to be built, by tools that are locked too.
    "${pip[@]}" --only-binary :all: -r <(all_but panda-client)
    "${pip[@]}" --no-build-isolation --only-binary :all: --no-binary panda-client -r "$lock"
}

# all_but PACKAGE: the lock without one package and its hashes.
all_but() {
    awk -v name="$1==" 'index($0, name) == 1 {skip = 1} /^[^ ]/ && index($0, name) != 1 {skip = 0} !skip' "$lock"
}

once "$folder" <(cat "${BASH_SOURCE[0]}" "$lock") install_client
