#!/bin/bash
# xrootd.sh FOLDER: XRootD's server, plugins and client in a folder, for tests. Safe to run twice, and side by side.
#
# Afterwards there are FOLDER/usr/bin/xrootd, xrdcp and xrdfs, and FOLDER/libraries with the plugins, which all of them
# find by name; FOLDER/plugins tells clients of the one for HTTP. Nothing runs yet: xrootd.py beside this file starts
# servers with configurations of their own.
set -euo pipefail

folder=$(realpath -m "${1:?usage: xrootd.sh FOLDER}")
suite=bookworm
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/unpack.sh"

install_programs() {
    unpack "$suite" "$folder" xrootd-server xrootd-server-plugins xrootd-client xrootd-client-plugins \
        xrootd-client-http-plugins xrootd-plugins libxrdapputils2 libxrdcl3 libxrdcrypto2 libxrdcryptolite2 \
        libxrdhttputils2 libxrdposix3 libxrdserver3 libxrdssilib2 libxrdutils3 libxrdxml3 patchelf libc6 libgcc-s1 \
        libstdc++6 libbrotli1 libcap2 libcom-err2 libcrypt1 libcurl4 libdavix0v5 libffi8 libgcrypt20 libgmp10 \
        libgnutls30 libgpg-error0 libgssapi-krb5-2 libhogweed6 libicu72 libidn2-0 libjson-c5 \
        libk5crypto3 libkeyutils1 libkrb5-3 libkrb5support0 libldap-2.5-0 liblz4-1 liblzma5 libmacaroons0 libnettle8 \
        libnghttp2-14 libp11-kit0 libpsl5 libreadline8 librtmp1 libsasl2-2 libsodium23 libssh2-1 libssl3 \
        libsystemd0 libtasn1-6 libtinfo6 libtinyxml2.6.2v5 libunistring2 libuuid1 libxml2 libzstd1 zlib1g
    rm -rf "${folder:?}"/usr/lib/*/gconv "${folder:?}"/usr/share "${folder:?}"/var
    relocate "$folder" "$folder/usr/bin"
    mkdir "$folder/plugins"
    printf 'url = http://*;https://*;davs://*;dav://*\nlib = %s\nenable = true\n' \
        "$folder/libraries/libXrdClHttp-5.so" >"$folder/plugins/http.conf"
}

once "$folder" "${BASH_SOURCE[0]}" install_programs
