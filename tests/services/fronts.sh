#!/bin/bash
# fronts.sh FOLDER: nginx, and Apache with GridSite's module, in a folder, for tests. Safe to run twice, and side by side.
#
# Afterwards there are FOLDER/usr/sbin/nginx, FOLDER/usr/sbin/apache2 and FOLDER/usr/lib/apache2/modules, and
# FOLDER/usr/bin/voms-proxy-fake, which makes proxies with VOMS attributes without a VOMS server. Nothing runs
# yet: fronts.py beside this file starts them with configurations of its own.
set -euo pipefail

folder=$(realpath -m "${1:?usage: fronts.sh FOLDER}")
suite=bookworm
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/unpack.sh"

install_programs() {
    unpack "$suite" "$folder" nginx apache2-bin gridsite libgridsite6 libgsoap-2.8.124 libcanl-c4 libc-ares2 patchelf \
        libc6 libgcc-s1 libstdc++6 libssl3 zlib1g libpcre3 libpcre2-8-0 libcrypt1 libapr1 libaprutil1 libexpat1 libuuid1 \
        libxml2 libicu72 liblzma5 libcurl4 libnghttp2-14 libidn2-0 libunistring2 librtmp1 libssh2-1 libpsl5 libnettle8 \
        libhogweed6 libgmp10 libgnutls30 libp11-kit0 libtasn1-6 libffi8 libgssapi-krb5-2 libkrb5-3 libk5crypto3 \
        libkrb5support0 libcom-err2 libkeyutils1 libldap-2.5-0 libsasl2-2 libbrotli1 libzstd1 libdb5.3 voms-clients libvomsapi1v5
    rm -rf "${folder:?}"/usr/share
    relocate "$folder" "$folder/usr/sbin" "$folder/usr/bin"
}

once "$folder" "${BASH_SOURCE[0]}" install_programs
