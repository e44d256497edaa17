#!/bin/bash
# sshd.sh FOLDER: OpenSSH's server in a folder, for tests. Safe to run twice, and side by side.
#
# Afterwards there are FOLDER/usr/sbin/sshd and FOLDER/usr/lib/openssh/sftp-server. Nothing runs yet: sshd.py beside
# this file starts it with a configuration of its own, as the user who runs the tests.
set -euo pipefail

folder=$(realpath -m "${1:?usage: sshd.sh FOLDER}")
suite=bookworm
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/unpack.sh"

install_programs() {
    unpack "$suite" "$folder" openssh-server openssh-sftp-server patchelf libc6 libgcc-s1 libstdc++6 libssl3 libaudit1 \
        libcap-ng0 libpam0g libselinux1 libpcre2-8-0 libsystemd0 libcap2 libgcrypt20 libgpg-error0 liblzma5 libzstd1 \
        liblz4-1 libwrap0 libnsl2 libtirpc3 libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libcom-err2 \
        libkeyutils1 libcrypt1 zlib1g
    rm -rf "${folder:?}"/usr/lib/*/gconv "${folder:?}"/usr/share "${folder:?}"/etc "${folder:?}"/lib/systemd
    relocate "$folder" "$folder/usr/sbin" "$folder/usr/lib/openssh"
}

once "$folder" "${BASH_SOURCE[0]}" install_programs
