#!/bin/bash
# podman.sh FOLDER: podman and runc in a folder, for tests. Safe to run twice, and side by side.
#
# Afterwards there are FOLDER/usr/bin/podman, FOLDER/containers.conf and FOLDER/storage.conf (to be named by
# CONTAINERS_CONF and CONTAINERS_STORAGE_CONF). It runs unpacked images; none comes with it.
set -euo pipefail

folder=$(realpath -m "${1:?usage: podman.sh FOLDER}")
# Later ones refuse machines that have both versions of control groups.
suite=bookworm
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/unpack.sh"

install_programs() {
    unpack "$suite" "$folder" podman conmon runc patchelf libc6 libgcc-s1 libstdc++6 libgpgme11 libseccomp2 \
        libglib2.0-0 libsystemd0 libassuan0 libgpg-error0 libdevmapper1.02.1 libpcre2-8-0 libcap2 libgcrypt20 \
        liblzma5 libzstd1 liblz4-1 libselinux1 libudev1 libsubid4 libaudit1 libcap-ng0 libcrypt1
    relocate "$folder" "$folder/usr/bin" "$folder/usr/sbin"
    # Low limits, because a root without CAP_SYS_RESOURCE cannot raise them to podman's own.
    cat >"$folder/containers.conf" <<END
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
conmon_path = ["$folder/usr/bin/conmon"]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[engine.runtimes]
runc = ["$folder/usr/sbin/runc"]
END
    printf '[storage]\ndriver = "vfs"\nrunroot = "%s"\ngraphroot = "%s"\n' \
        "$folder/storage/run" "$folder/storage/root" >"$folder/storage.conf"
}

once "$folder" "${BASH_SOURCE[0]}" install_programs
