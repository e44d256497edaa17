#!/bin/bash
# rabbitmq.sh FOLDER: RabbitMQ, with Erlang, in a folder, for tests. Safe to run twice, and side by side.
#
# Afterwards there are FOLDER/server/sbin/rabbitmq-server and FOLDER/erlang/bin/erl, to be used with FOLDER/erlang/bin
# first in the PATH. Nothing runs yet: rabbitmq.py beside this file starts a broker with a configuration of its own.
set -euo pipefail

folder=$(realpath -m "${1:?usage: rabbitmq.sh FOLDER}")
suite=bookworm
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/unpack.sh"

install_programs() {
    unpack "$suite" "$folder" rabbitmq-server erlang-base erlang-asn1 erlang-crypto erlang-eldap erlang-inets \
        erlang-mnesia erlang-os-mon erlang-parsetools erlang-public-key erlang-runtime-tools erlang-ssl \
        erlang-syntax-tools erlang-tools erlang-xmerl patchelf libc6 libgcc-s1 libstdc++6 libssl3 libtinfo6 \
        libsystemd0 zlib1g libzstd1 liblz4-1 liblzma5 libcap2 libgcrypt20 libgpg-error0
    rm -rf "${folder:?}"/usr/lib/*/gconv "${folder:?}"/usr/share
    ln -s "$(echo "$folder"/usr/lib/rabbitmq/lib/rabbitmq_server-*)" "$folder/server"
    ln -s usr/lib/erlang "$folder/erlang"
    sed -i "s|/usr/lib/erlang|$folder/usr/lib/erlang|g" "$folder"/erlang/bin/{erl,start} "$folder"/erlang/erts-*/bin/{erl,start}
    relocate "$folder" "$folder"/erlang/erts-*/bin "$folder"/erlang/lib/*/priv
}

once "$folder" "${BASH_SOURCE[0]}" install_programs
