#!/bin/bash
# redis.sh FOLDER: Redis in a folder, for tests. Safe to run twice, and side by side.
#
# Afterwards there is FOLDER/usr/bin/redis-server. Nothing runs yet: redis.py beside this file starts one.
set -euo pipefail

folder=$(realpath -m "${1:?usage: redis.sh FOLDER}")
suite=bookworm
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/unpack.sh"

install_programs() {
    unpack "$suite" "$folder" redis-server redis-tools patchelf libc6 libgcc-s1 libstdc++6 libssl3 libsystemd0 libcap2 \
        libgcrypt20 libgpg-error0 liblzma5 libzstd1 liblz4-1 libjemalloc2 liblzf1 libatomic1 liblua5.1-0 lua-cjson lua-bitop
    rm -rf "${folder:?}"/usr/lib/*/gconv "${folder:?}"/usr/share/{doc,locale,man}
    relocate "$folder" "$folder/usr/bin"
}

once "$folder" "${BASH_SOURCE[0]}" install_programs
