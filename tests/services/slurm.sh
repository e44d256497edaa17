#!/bin/bash
# slurm.sh FOLDER: Slurm and munge in a folder, for tests. Safe to run twice, and side by side.
#
# Afterwards there are FOLDER/usr/bin/sbatch and its like, FOLDER/usr/sbin/{slurmctld,slurmd,slurmstepd,munged} and
# FOLDER/plugins. Nothing runs yet: slurm.py beside this file starts daemons with a configuration of their own.
set -euo pipefail

folder=$(realpath -m "${1:?usage: slurm.sh FOLDER}")
# Later ones want control groups of version 2 alone.
suite=bookworm
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/unpack.sh"

install_programs() {
    local each
    unpack "$suite" "$folder" slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge libmunge2 patchelf \
        libc6 libgcc-s1 libstdc++6 libbz2-1.0 libgcrypt20 libgpg-error0 zlib1g libhwloc15 libudev1 liblz4-1 libnuma1 \
        libpam0g libaudit1 libcap-ng0 libreadline8 libtinfo6 libdbus-1-3 libsystemd0 liblzma5 libzstd1 libcap2 \
        libjson-c5 liblua5.1-0 libyaml-0-2
    # Character sets that nothing here uses would be most of the libraries.
    rm -r "$folder"/usr/lib/*/gconv
    for each in slurmctld slurmd slurmstepd; do ln -s "$each-wlm" "$folder/usr/sbin/$each"; done
    ln -s "$(echo "$folder"/usr/lib/*/slurm-wlm)" "$folder/plugins"
    relocate "$folder" "$folder/usr/bin" "$folder/usr/sbin"
}

once "$folder" "${BASH_SOURCE[0]}" install_programs
