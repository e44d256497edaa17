#!/bin/bash
# postgresql.sh FOLDER: PostgreSQL 15 in a folder, for tests. Safe to run twice, and side by side.
#
# Afterwards there is FOLDER/bin with initdb, postgres and psql. Nothing runs yet: postgresql.py beside this file starts
# a server with a cluster of its own.
set -euo pipefail

folder=$(realpath -m "${1:?usage: postgresql.sh FOLDER}")
suite=bookworm
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/unpack.sh"

install_programs() {
    unpack "$suite" "$folder" postgresql-15 postgresql-client-15 libpq5 patchelf libc6 libgcc-s1 libstdc++6 \
        libicu72 libxml2 libssl3 libpam0g libaudit1 libcap-ng0 libgssapi-krb5-2 libkrb5-3 libk5crypto3 \
        libkrb5support0 libkeyutils1 libcom-err2 libldap-2.5-0 libsasl2-2 libgnutls30 libp11-kit0 libidn2-0 \
        libunistring2 libtasn1-6 libnettle8 libhogweed6 libgmp10 libffi8 libsystemd0 libcap2 libgcrypt20 \
        libgpg-error0 libselinux1 libpcre2-8-0 liblz4-1 liblzma5 libzstd1 zlib1g libuuid1 libreadline8 libtinfo6
    rm -rf "${folder:?}"/usr/lib/*/gconv "${folder:?}"/usr/share/{doc,man,locale} "${folder:?}"/usr/lib/postgresql/15/lib/bitcode
    relocate "$folder" "$folder/usr/lib/postgresql/15"
    ln -s usr/lib/postgresql/15/bin "$folder/bin"
}

once "$folder" "${BASH_SOURCE[0]}" install_programs
