#!/bin/bash
# Runs tests on Pythons beside the one of .venv, where they are present, and says which were not.
#
#   tests/pythons.sh find 3.13     prints a program that is this Python; status 1 when there is none
#   tests/pythons.sh suite 3.13 .. runs the whole suite on it; words after the version go to pytest
#   tests/pythons.sh smoke 3.9     runs the pilot's smoke set (tests/smoke.txt) on it
#   tests/pythons.sh others 3.11 ..  all of these, beside the version given, which has been tested already
#   tests/pythons.sh fill 3.11     puts what the locks hold into the environments of these, and compiles their tests
#
# A Python is looked for in the variable PYTHON313, on the PATH, in the folders of pyenv and uv, and tried: a name on the
# PATH may be a shim for none. PYTHON313=none leaves that version out.
set -euo pipefail
cd "$(dirname "$0")/.."

is() { # <program> <version>: whether it runs, is that version, and can make environments
    "$1" -c "import sys, venv, ensurepip; sys.exit('%d.%d' % sys.version_info[:2] != '$2')" >/dev/null 2>&1
}

find_python() { # <version>
    local variable="PYTHON${1//./}" program
    if [ "${!variable:-}" = none ]; then
        return 1
    elif [ -n "${!variable:-}" ]; then
        is "${!variable}" "$1" || { echo "$variable=${!variable} is no Python $1 that can make environments" >&2; exit 3; }
        echo "${!variable}"
        return
    fi
    for program in "$(command -v "python$1" || true)" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python \
        "${XDG_DATA_HOME:-$HOME/.local/share}"/uv/python/cpython-"$1".*/bin/python; do
        if [ -n "$program" ] && is "$program" "$1"; then
            echo "$program"
            return
        fi
    done
    return 1
}

fill() { # <folder> <lock> <program>: an environment with what the lock holds and the project itself
    local mark="$1/.filled-$2"
    if [ "$mark" -nt "requirements/$2.txt" ] && [ "$mark" -nt pyproject.toml ] && [ "$mark" -nt setup.py ]; then
        return
    fi
    fill_from_lock "$@" && try_pip "$1" --no-build-isolation --editable . && touch "$mark"
}

fill_from_lock() { # <folder> <lock> <program>: the same without the project; one process at a time
    local mark="$1/.locked-$2"
    mkdir -p build
    (
        flock 9
        if [ ! "$mark" -nt "requirements/$2.txt" ]; then
            rm -rf "$1"
            "$3" -m venv "$1"
            echo "Filling $1 from requirements/$2.txt ..."
            try_pip "$1" --no-compile --require-hashes --only-binary :all: -r "requirements/$2.txt" && touch "$mark"
        fi
    ) 9>"build/$1.lock"
}

try_pip() { # <folder> <words for pip install>: quiet unless it fails
    local folder=$1
    shift
    if ! "$folder/bin/python" -m pip --quiet --disable-pip-version-check --no-input install --no-deps "$@" \
        >"$folder/install.log" 2>&1; then
        cat "$folder/install.log" >&2
        return 1
    fi
}

promised="suite:3.11 suite:3.13 smoke:3.9"

lock_of() { # <suite or smoke>
    if [ "$1" = suite ]; then echo test; else echo smoke39; fi
}

again="not campaign" # what of the suite is run: beside another Python, not what needs no second one

run() { # <suite or smoke> <version> <words for pytest>: 4 when that Python is not here
    local what=$1 version=$2 program status=0
    shift 2
    program=$(find_python "$version") || status=$?
    if [ "$status" -eq 1 ]; then
        echo "Python $version: not present, so nothing was tested on it; give one by PYTHON${version//./}=/path/to/python$version"
        return 4
    elif [ "$status" -ne 0 ]; then
        return "$status"
    fi
    fill ".venv-$version" "$(lock_of "$what")" "$program" || return
    if [ "$what" = suite ]; then
        ".venv-$version/bin/python" -m pytest --dist loadfile --no-loadscope-reorder -m "$again" "$@"
    else
        ".venv-$version/bin/python" -m pytest --dist loadfile --no-loadscope-reorder -m "not campaign and not one_python" "$@" @tests/smoke.txt
    fi
}

others() { # <version that was tested already> <words for pytest>
    local own=$1 each version status failed=0 told=("Python $1: the whole suite was run")
    again="not campaign and not one_python"
    shift
    for each in $promised; do
        version=${each#*:} status=0
        [ "$version" = "$own" ] && continue
        echo "== ${each%:*} on Python $version"
        run "${each%:*}" "$version" "$@" || status=$?
        case $status in
        0) told+=("Python $version: the ${each%:*} was run (what is marked one_python, on Python $own only)") ;;
        4) told+=("Python $version: NOT TESTED, there is none here (PYTHON${version//./} names one)") ;;
        *) told+=("Python $version: the ${each%:*} FAILED") failed=1 ;;
        esac
    done
    printf '%s\n' "== Pythons" "${told[@]}"
    return "$failed"
}

fill_others() { # <version that is there already>
    local each version program tests
    for each in $promised; do
        version=${each#*:}
        if [ "$version" != "$1" ] && program=$(find_python "$version"); then
            fill_from_lock ".venv-$version" "$(lock_of "${each%:*}")" "$program"
            tests=()
            [ "${each%:*}" = suite ] || tests=(@tests/smoke.txt)
            ".venv-$version/bin/python" -m pytest --collect-only -q "${tests[@]}" >/dev/null || true # they are compiled
        fi
    done
}

if [ $# -lt 2 ]; then
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
what=$1
shift
case $what in
find) find_python "$@" ;;
suite | smoke) run "$what" "$@" ;;
others) others "$@" ;;
fill) fill_others "$@" ;;
*)
    echo "tests/pythons.sh: $what is none of find, suite, smoke, others, fill" >&2
    exit 2
    ;;
esac
