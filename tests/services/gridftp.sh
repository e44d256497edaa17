#!/bin/bash
# gridftp.sh FOLDER: a GridFTP server and globus-url-copy in a folder, for tests. Safe to run twice, and side by side.
#
# Afterwards there are FOLDER/usr/bin/globus-url-copy and FOLDER/usr/sbin/globus-gridftp-server. Nothing runs yet:
# gridftp.py beside this file starts servers with configurations of their own.
set -euo pipefail

folder=$(realpath -m "${1:?usage: gridftp.sh FOLDER}")
suite=bookworm
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/unpack.sh"

install_programs() {
    unpack "$suite" "$folder" globus-gridftp-server-progs globus-gass-copy-progs libglobus-authz-callout-error0 \
        libglobus-authz0 libglobus-callout0 libglobus-common0 libglobus-ftp-client2 libglobus-ftp-control1 \
        libglobus-gass-copy2 libglobus-gass-transfer2 libglobus-gfork0 libglobus-gridftp-server-control0 \
        libglobus-gridftp-server6 libglobus-gsi-callback0 libglobus-gsi-cert-utils0 libglobus-gsi-credential1 \
        libglobus-gsi-openssl-error0 libglobus-gsi-proxy-core0 libglobus-gsi-proxy-ssl1 libglobus-gsi-sysconfig1 \
        libglobus-gss-assist3 libglobus-gssapi-error2 libglobus-gssapi-gsi4 libglobus-io3 libglobus-openssl-module0 \
        libglobus-xio-gsi-driver libglobus-xio-pipe-driver libglobus-xio-popen-driver libglobus-xio0 \
        patchelf libc6 libgcc-s1 libstdc++6 libltdl7 libssl3 zlib1g
    rm -r "$folder"/usr/lib/*/gconv "$folder/usr/share/doc"
    relocate "$folder" "$folder/usr/bin" "$folder/usr/sbin"
}

once "$folder" "${BASH_SOURCE[0]}" install_programs
