#!/bin/bash
# rucio.sh FOLDER: Rucio's server, with its clients, in a virtual environment, for tests. Safe to run twice, and side by side.
#
# What is installed is locked in requirements/rucio-server.txt. Nothing runs yet: rucio.py beside this file starts a
# server with a configuration and a database of its own. The Python is 3.11 where there is one, as the lock is made for.
set -euo pipefail

folder=$(realpath -m "${1:?usage: rucio.sh FOLDER}")
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/unpack.sh"
lock=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../../requirements/rucio-server.txt")
pip=("$folder/bin/python" -m pip --quiet --disable-pip-version-check --no-input install --no-compile --no-deps --require-hashes)

install_programs() {
    "$(command -v python3.11 || command -v python3)" -m venv "$folder"
    # One package has to be built, by tools that are locked too.
    "${pip[@]}" --only-binary :all: -r <(one_of setuptools; one_of wheel)
    "${pip[@]}" --no-build-isolation --only-binary :all: --no-binary docopt -r "$lock"
}

# one_of PACKAGE: what the lock says of it, with its hashes.
one_of() {
    awk -v name="$1==" 'index($0, name) == 1 {on = 1} on {print} on && !/\\$/ {exit}' "$lock"
}

once "$folder" <(cat "${BASH_SOURCE[0]}" "$lock") install_programs
