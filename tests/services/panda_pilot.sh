#!/bin/bash
# panda_pilot.sh FOLDER: PanDA's pilot as its makers publish it, and a Python for it. Safe to run twice, and side by side.
#
# What is fetched is locked in requirements/panda-pilot.txt. The pilot needs no library, and no Python 3.13, which lacks
# the module pipes.
set -euo pipefail

folder=$(realpath -m "${1:?usage: panda_pilot.sh FOLDER}")
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/unpack.sh"
lock=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../../requirements/panda-pilot.txt")

pip=("$folder/bin/python" -m pip --quiet --disable-pip-version-check --no-input)
locked=(--no-deps --require-hashes --no-build-isolation --only-binary :all:)

unpack_pilot() {
    "$(command -v python3.11 || command -v python3)" -m venv "$folder"
    "$folder/bin/python" -W ignore -c 'import pipes'
    # pip asks what it fetches for its metadata, by tools that are locked too.
    "${pip[@]}" install "${locked[@]}" -r <(sed -n '/^setuptools==/,$p' "$lock")
    "${pip[@]}" download "${locked[@]}" --no-binary panda-pilot -d "$folder/fetched" -r "$lock"
    mkdir "$folder/source"
    tar -xzf "$folder"/fetched/panda[-_]pilot-*.tar.gz -C "$folder/source" --strip-components 1
}

once "$folder" <(cat "${BASH_SOURCE[0]}" "$lock") unpack_pilot
