#!/bin/bash
# syslog_ng.sh FOLDER: syslog-ng in a folder, for tests. Safe to run twice, and side by side.
#
# Afterwards there is FOLDER/usr/sbin/syslog-ng. Nothing runs yet: syslog_ng.py beside this file starts it with a
# configuration of its own.
set -euo pipefail

folder=$(realpath -m "${1:?usage: syslog_ng.sh FOLDER}")
suite=bookworm
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/unpack.sh"

install_programs() {
    unpack "$suite" "$folder" syslog-ng-core patchelf libc6 libgcc-s1 libstdc++6 libssl3 libglib2.0-0 libivykis0 libnet1 \
        libpcre3 libpcre2-8-0 libsystemd0 libcap2 libgcrypt20 libgpg-error0 liblzma5 libzstd1 liblz4-1 libjson-c5 \
        libuuid1 zlib1g libmount1 libselinux1 libblkid1 libffi8 libwrap0 libnsl2 libtirpc3 libgssapi-krb5-2 \
        libkrb5-3 libk5crypto3 libkrb5support0 libcom-err2 libkeyutils1
    rm -rf "${folder:?}"/usr/lib/*/gconv "${folder:?}"/usr/share/{doc,locale,man}
    relocate "$folder" "$folder/usr/sbin"
}

once "$folder" "${BASH_SOURCE[0]}" install_programs
