#!/bin/bash
# mariadb_client.sh FOLDER: mariadb and mariadb-dump 10.11 in a folder, for tests. Safe to run twice, and side by side.
#
# Afterwards there is FOLDER/bin with both.
set -euo pipefail

folder=$(realpath -m "${1:?usage: mariadb_client.sh FOLDER}")
suite=bookworm
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/unpack.sh"

install_programs() {
    unpack "$suite" "$folder" mariadb-client mariadb-client-core mariadb-common patchelf libc6 libgcc-s1 libstdc++6 libedit2 libbsd0 libmd0 \
        libncurses6 libtinfo6 libreadline8 libssl3 zlib1g libzstd1
    rm -rf "${folder:?}"/usr/share/{doc,man,locale}
    relocate "$folder" "$folder/usr/bin"
    ln -s usr/bin "$folder/bin"
}

once "$folder" "${BASH_SOURCE[0]}" install_programs
