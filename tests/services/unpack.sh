# shellcheck shell=bash
# Sourced by the scripts beside it: programs of Debian packages in a folder of their own, for any machine that has apt.
#
# Nothing is installed: packages are fetched from the mirror that the machine's own apt is configured with, apt's
# signatures are checked, and the programs are made to use the C library that comes with them. No root is needed.

# configured_mirrors: the addresses in apt's configuration, of either format, whether it has been used yet or not.
configured_mirrors() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null |
        awk '/^(URIs:|deb )/ {for (i = 2; i <= NF; i++) if ($i ~ /:\/\//) {print $i; break}}'
}

# unpack <suite> <target> <package>...: fetch packages of a suite and unpack them.
unpack() {
    local suite=$1 target=$2 state mirror options
    shift 2
    state=$(mktemp -d)
    mirror=$(configured_mirrors | grep -v -m 1 security || true)
    if [ -z "$mirror" ]; then
        echo "apt is configured with no mirror here" >&2
        return 1
    fi
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$target"
    : >"$state/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$state/sources.list"
    options=(
        -o "Dir::Etc::SourceList=$state/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
        -o "Dir::State=$state" -o "Dir::State::Lists=$state/lists" -o "Dir::State::status=$state/status"
        -o "Dir::Cache=$state/cache" -o "APT::Sandbox::User=$(id -un)" -o Debug::NoLocking=1
        -o Acquire::Languages=none -o Acquire::Retries=2 -o Acquire::http::Timeout=20
        -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false
        -o Acquire::Check-Valid-Until=false # a mirror that stands still is good enough for tests
    )
    # One chain: `set -e` does not hold on the left of `||`.
    (
        apt-get "${options[@]}" -qq update --error-on=any &&
            cd "$state" &&
            apt-get "${options[@]}" -qq download "$@" &&
            find . -maxdepth 1 -name '*.deb' -print0 | xargs -0 -r -I{} dpkg-deb -x {} "$target"
    ) >"$state/log" 2>&1 || {
        cat "$state/log" >&2
        rm -rf "$state"
        return 1
    }
    rm -rf "$state"
}

# once <folder> <script> <function>...: do what a script does once, also when several ask for it at the same time.
once() {
    local folder=$1 script=$2 made step
    shift 2
    mkdir -p "$folder"
    exec 9>"$folder/lock"
    flock 9
    # What is made depends on the scripts; what an older one has left is made anew.
    made=$(cat "$script" "${BASH_SOURCE[0]}" | sha256sum)
    [ "$(cat "$folder/made" 2>/dev/null)" != "$made" ] || return 0
    find "$folder" -mindepth 1 -maxdepth 1 -not -name lock -exec rm -rf {} +
    for step in "$@"; do "$step"; done
    echo "$made" >"$folder/made"
}

# relocate <tree> <folder>...: have every program and library below the folders use the tree's own libraries.
relocate() {
    local tree=$1 file loader
    shift
    loader=$tree/loader
    mkdir -p "$tree/libraries"
    find "$tree" -path "$tree/libraries" -prune -o -name '*.so*' -not -type d -print0 |
        xargs -0 -r cp -L -n -t "$tree/libraries"
    cp -L "$(find "$tree" -name 'ld-linux-*.so.*' -not -path "$tree/libraries/*" -print -quit)" "$loader"
    find "$@" -type f -size +3k -not -name patchelf -print | while read -r file; do
        [ "$(head -c 4 "$file" | od -An -tx1 | tr -d ' ')" = 7f454c46 ] || continue
        if patch "$tree" --print-interpreter "$file" >/dev/null 2>&1; then
            patch "$tree" --set-interpreter "$loader" --force-rpath --set-rpath "$tree/libraries" "$file"
        fi
    done
}

patch() {
    local tree=$1
    shift
    "$tree/loader" --library-path "$tree/libraries" "$tree/usr/bin/patchelf" "$@"
}
