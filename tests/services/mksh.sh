#!/bin/bash
# mksh.sh FOLDER: a Korn shell in a folder, FOLDER/bin/mksh, for tests. Safe to run twice, and side by side.
set -euo pipefail

folder=$(realpath -m "${1:?usage: mksh.sh FOLDER}")
suite=bookworm
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/unpack.sh"

install_programs() {
    unpack "$suite" "$folder" mksh patchelf libc6 libgcc-s1 libstdc++6
    rm -r "$folder"/usr/lib/*/gconv
    relocate "$folder" "$folder/bin" "$folder/usr/bin"
}

once "$folder" "${BASH_SOURCE[0]}" install_programs
