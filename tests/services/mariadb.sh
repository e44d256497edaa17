#!/bin/bash
# mariadb.sh FOLDER: MariaDB 10.11 in a folder, for tests. Safe to run twice, and side by side.
#
# Afterwards there is FOLDER/sbin/mariadbd, and FOLDER/tables with the empty system tables that a server begins with.
# Nothing runs yet: mariadb.py beside this file starts a server with a folder of its own.
set -euo pipefail

folder=$(realpath -m "${1:?usage: mariadb.sh FOLDER}")
suite=bookworm
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/unpack.sh"

install_programs() {
    unpack "$suite" "$folder" mariadb-server-core mariadb-common patchelf libc6 libgcc-s1 libstdc++6 \
        libaio1 libcrypt1 libncurses6 libpcre2-8-0 libssl3 libsystemd0 libcap2 libgcrypt20 libgpg-error0 \
        liblz4-1 liblzma5 libzstd1 zlib1g libtinfo6 libpmem1 libndctl6 libdaxctl1 libkmod2 libudev1 liburing2 libsnappy1v5
    rm -rf "${folder:?}"/usr/lib/*/gconv "${folder:?}"/usr/share/{doc,man,locale}
    relocate "$folder" "$folder/usr/sbin" "$folder/usr/bin"
    ln -s usr/sbin "$folder/sbin"
}

# The script of the package wants a server's own user and a host name that resolves; all it does is feed SQL to one.
make_tables() {
    local share=$folder/usr/share/mysql
    mkdir -p "$folder/tables/mysql"
    {
        echo "use mysql;"
        cat "$share"/mysql_system_tables.sql "$share"/mysql_performance_tables.sql "$share"/mysql_system_tables_data.sql \
            "$share"/fill_help_tables.sql "$share"/maria_add_gis_sp_bootstrap.sql "$share"/mysql_sys_schema.sql
    } | sed -e '/@current_hostname/d' |
        "$folder/sbin/mariadbd" --no-defaults --bootstrap --user="$(id -un)" --datadir="$folder/tables" \
            --lc-messages-dir="$share" --character-sets-dir="$share/charsets" --plugin-dir="$folder/usr/lib/mysql/plugin" \
            --innodb-log-file-size=16M --skip-networking >"$folder/tables.log" 2>&1 || {
        cat "$folder/tables.log" >&2
        return 1
    }
}

once "$folder" "${BASH_SOURCE[0]}" install_programs make_tables
