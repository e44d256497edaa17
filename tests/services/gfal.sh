#!/bin/bash
# gfal.sh FOLDER: gfal2 with its plugins, its programs and a Python that has its bindings, in a folder, for tests.
# Safe to run twice, and side by side.
#
# Afterwards there are FOLDER/bin/python and FOLDER/bin/gfal-copy and its like, which need nothing in the environment.
set -euo pipefail

folder=$(realpath -m "${1:?usage: gfal.sh FOLDER}")
suite=bookworm
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/unpack.sh"

install_programs() {
    local each
    unpack "$suite" "$folder" python3-gfal2 python3-gfal2-util gfal2-util-scripts libgfal2-2 libgfal-transfer2 \
        gfal2-plugin-file gfal2-plugin-gridftp gfal2-plugin-http gfal2-plugin-sftp gfal2-plugin-xrootd \
        python3.11-minimal libpython3.11-minimal libpython3.11-stdlib libboost-python1.74.0 \
        libdavix0v5 libgsoap-2.8.124 libjson-c5 libpugixml1v5 libssh2-1 libtinyxml2.6.2v5 \
        libglobus-callout0 libglobus-common0 libglobus-ftp-client2 libglobus-ftp-control1 libglobus-gass-copy2 \
        libglobus-gass-transfer2 libglobus-gsi-callback0 libglobus-gsi-cert-utils0 libglobus-gsi-credential1 \
        libglobus-gsi-openssl-error0 libglobus-gsi-proxy-core0 libglobus-gsi-proxy-ssl1 libglobus-gsi-sysconfig1 \
        libglobus-gss-assist3 libglobus-gssapi-error2 libglobus-gssapi-gsi4 libglobus-io3 libglobus-openssl-module0 \
        libglobus-xio-gsi-driver libglobus-xio-popen-driver libglobus-xio0 libltdl7 \
        libxrdcl3 libxrdposix3 libxrdutils3 libxrdxml3 xrootd-plugins libxrdcrypto2 libxrdcryptolite2 \
        libblkid1 libbrotli1 libcom-err2 libcurl4 libffi8 libgcrypt20 libglib2.0-0 libgmp10 libgnutls30 libgpg-error0 \
        libgssapi-krb5-2 libhogweed6 libicu72 libidn2-0 libk5crypto3 libkeyutils1 libkrb5-3 libkrb5support0 \
        libldap-2.5-0 liblzma5 libmount1 libnettle8 libnghttp2-14 libp11-kit0 libpcre2-8-0 libpsl5 librtmp1 \
        libsasl2-2 libselinux1 libsystemd0 libtasn1-6 libunistring2 libuuid1 libxml2 libzstd1 liblz4-1 libcap2 \
        libbz2-1.0 libexpat1 patchelf libc6 libgcc-s1 libstdc++6 libssl3 zlib1g
    rm -r "${folder:?}"/usr/lib/*/gconv "${folder:?}/usr/share"
    relocate "$folder" "$folder/usr/bin"
    ln -s "$(echo "$folder"/usr/lib/*/gfal2-plugins)" "$folder/plugins"
    mkdir "$folder/bin"
    wrap python "$folder/usr/bin/python3.11"
    for each in copy mkdir rename rm save stat sum; do
        wrap "gfal-$each" "$folder/usr/bin/python3.11" -u "$folder/usr/bin/gfal-$each"
    done
}

# wrap <name> <word>...: make FOLDER/bin/<name>, which runs the words where gfal2 finds its plugins and configuration.
wrap() {
    local name=$1
    shift
    {
        echo '#!/bin/sh'
        echo "export GFAL_PLUGIN_DIR='$folder/plugins' GFAL_CONFIG_DIR='$folder/etc/gfal2.d'"
        printf 'exec'
        printf " '%s'" "$@"
        echo ' "$@"'
    } >"$folder/bin/$name"
    chmod +x "$folder/bin/$name"
}

once "$folder" "${BASH_SOURCE[0]}" install_programs
