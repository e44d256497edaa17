#!/bin/bash
# mpich.sh FOLDER: MPICH's launcher in a folder, for tests. Safe to run twice, and side by side.
#
# Afterwards there is FOLDER/usr/bin/mpiexec, Hydra's, which starts ranks on this machine without ssh.
set -euo pipefail

folder=$(realpath -m "${1:?usage: mpich.sh FOLDER}")
suite=bookworm
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/unpack.sh"

install_programs() {
    unpack "$suite" "$folder" mpich patchelf libslurm38 libhwloc15 libudev1 libc6 libgcc-s1 libstdc++6
    find "$folder/usr/bin" -mindepth 1 -not -name mpiexec.hydra -not -name hydra_pmi_proxy -not -name patchelf -delete
    rm -r "$folder"/usr/lib/*/gconv
    relocate "$folder" "$folder/usr/bin"
    ln -s mpiexec.hydra "$folder/usr/bin/mpiexec"
}

once "$folder" "${BASH_SOURCE[0]}" install_programs
