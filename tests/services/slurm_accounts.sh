#!/bin/bash
# slurm_accounts.sh FOLDER: the daemon of Slurm's accounts in a folder, for tests. Safe to run twice, and side by side.
#
# Afterwards there are FOLDER/usr/sbin/slurmdbd and FOLDER/plugins, of the same release as slurm.sh's. Nothing runs yet:
# slurm_accounts.py beside this file starts it with a database of its own.
set -euo pipefail

folder=$(realpath -m "${1:?usage: slurm_accounts.sh FOLDER}")
suite=bookworm
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/unpack.sh"

install_programs() {
    unpack "$suite" "$folder" slurmdbd slurm-wlm-basic-plugins slurm-wlm-mysql-plugin libmariadb3 libmunge2 patchelf \
        libc6 libgcc-s1 libstdc++6 libssl3 libzstd1 zlib1g libhwloc15 libudev1 libnuma1 liblz4-1 libpam0g libaudit1 \
        libcap-ng0 libdbus-1-3 libsystemd0 liblzma5 libgcrypt20 libgpg-error0 libcap2 libjson-c5 liblua5.1-0 libyaml-0-2 \
        libbz2-1.0 libreadline8 libtinfo6
    rm -r "$folder"/usr/lib/*/gconv
    ln -s "$(echo "$folder"/usr/lib/*/slurm-wlm)" "$folder/plugins"
    relocate "$folder" "$folder/usr/sbin"
}

once "$folder" "${BASH_SOURCE[0]}" install_programs
