#!/bin/bash
# psij.sh FOLDER: psij in a virtual environment of its own, for tests. Safe to run twice, and side by side.
#
# What is installed is locked in requirements/psij.txt. The Python is 3.11 where there is one, as the lock is made for.
set -euo pipefail

folder=$(realpath -m "${1:?usage: psij.sh FOLDER}")
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/unpack.sh"
lock=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../../requirements/psij.txt")

install_library() {
    "$(command -v python3.11 || command -v python3)" -m venv "$folder"
    "$folder/bin/python" -m pip --quiet --disable-pip-version-check --no-input install --no-deps --require-hashes \
        --only-binary :all: -r "$lock"
}

once "$folder" <(cat "${BASH_SOURCE[0]}" "$lock") install_library
