#!/bin/bash
# htcondor.sh FOLDER: HTCondor in a folder, for tests. Safe to run twice, and side by side.
#
# Afterwards there are FOLDER/usr/bin/condor_submit and its like, FOLDER/usr/sbin/condor_master, and the programs in
# FOLDER/usr/libexec/condor. Nothing runs yet: htcondor.py beside this file starts a pool with its own configuration.
set -euo pipefail

folder=$(realpath -m "${1:?usage: htcondor.sh FOLDER}")
# Older ones of Debian's releases have none.
suite=trixie
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/unpack.sh"

install_programs() {
    unpack "$suite" "$folder" condor patchelf libc6 libgcc-s1 libstdc++6 libssl3t64 libpcre2-8-0 libuuid1 libgomp1 \
        libsqlite3-0 libexpat1 libscitokens0t64 libvomsapi1t64 libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 \
        libcom-err2 libkeyutils1 libmunge2 libsystemd0 libcap2 liblzma5 libzstd1 zlib1g
    # Character sets and gatherers for other batch systems, which nothing here uses.
    rm -r "$folder"/usr/lib/*/gconv "$folder"/usr/libexec/blahp
    relocate "$folder" "$folder/usr/bin" "$folder/usr/sbin" "$folder/usr/libexec"
}

once "$folder" "${BASH_SOURCE[0]}" install_programs
