#!/bin/sh
# Starts one pilot on a worker node: finds a Python, verifies the bundle, unpacks it, runs it, cleans up behind it.
# POSIX shell; needs mktemp, rm, mv, tr and a Python, nothing else.
set -u

usage() {
    cat <<'END'
Usage: pilot-wrapper.sh [wrapper's options] [--] [pilot's options]

  --bundle FILE       the pilot bundle, as "make bundle" wrote it        (COMPASS_BUNDLE)
  --sha256 HASH       its SHA-256, from a source that you trust, not
                      from beside the bundle                             (COMPASS_BUNDLE_SHA256)
  --python PROGRAM    a Python, 3.9 or newer; searched otherwise         (COMPASS_PYTHON)
  --scratch DIR       where the bundle is unpacked, in a directory of
                      its own that is removed at the end                 (COMPASS_SCRATCH, TMPDIR, /tmp)
  --cache DIR         unpack into DIR/<hash> instead and keep it: later
                      pilots start faster; DIR must be the user's own    (COMPASS_BUNDLE_CACHE)
  --last-words FILE   write there what happened: exit_status=, words=    (COMPASS_LAST_WORDS)
  --help              this text; "-- --help" shows the pilot's options

The first word that is not among these begins the pilot's options. The exit status is the pilot's, 128 + n when
signal n ended it. The wrapper's own: 2 wrong options, 66 no directory, 69 disk full, 76 no Python, 94 bad bundle.
Signals are passed on to the pilot, which runs in a session of its own; its end is waited for.
END
}

bundle=${COMPASS_BUNDLE:-}
sha256=${COMPASS_BUNDLE_SHA256:-}
python=${COMPASS_PYTHON:-}
base=${COMPASS_SCRATCH:-${TMPDIR:-/tmp}}
cache=${COMPASS_BUNDLE_CACHE:-}
last_words=${COMPASS_LAST_WORDS:-}
scratch=
pid=
caught=
signal=

leave() { # <exit status> <words>
    trap '' HUP INT QUIT TERM USR1 USR2 XCPU
    [ -z "$scratch" ] || rm -rf "$scratch"
    if [ -n "$last_words" ]; then
        printf 'exit_status=%s\nwords=%s\n' "$1" "$2" >"$last_words.part" && mv -f "$last_words.part" "$last_words"
    fi
    exit "$1"
}

give_up() { # <exit status> <words, with the remedy>
    printf 'pilot-wrapper: %s (exit status %s)\n' "$2" "$1" >&2
    leave "$1" "$2"
}

# shellcheck disable=SC2329 # called by the traps
pass_on() { # <signal's name> <its number>
    caught=$2
    signal=$1
    [ -z "$pid" ] || kill -s "$1" "$pid" 2>/dev/null
}

# Takes the program itself where a name stands for a script that looks for it, as pyenv's do: that costs each time.
take_python() { # <python>
    found=$("$1" -I -S -c 'import sys; print(sys.executable) if sys.version_info >= (3, 9) else sys.exit(1)' 2>/dev/null) &&
        [ -n "$found" ] && python=$found
}

find_python() {
    if [ -n "$python" ]; then
        take_python "$python" || give_up 76 "$python is not a Python 3.9 or newer; correct --python or COMPASS_PYTHON"
        return
    fi
    for name in python3 python3.13 python3.12 python3.11 python3.10 python3.9 /usr/libexec/platform-python python; do
        ! take_python "$name" || return 0
    done
    give_up 76 "no Python 3.9 or newer is on the PATH ($PATH); install one, or name it by --python"
}

# Verifies and unpacks the bundle, then becomes the pilot: one start of Python, and the bytes that are verified are the
# bytes that are run. Arguments: bundle, hash, directory, "cache" or "", then the pilot's.
# shellcheck disable=SC2016
start='
import _signal, hashlib, io, os, stat, sys

# A shell starts what runs beside it with these two ignored; one that comes before the pilot listens would be lost.
for number in (_signal.SIGINT, _signal.SIGQUIT):
    _signal.signal(number, _signal.SIG_DFL)
bundle, wanted, home, cached = sys.argv[1:5]
del sys.argv[1:5]

def give_up(status, words):
    sys.stderr.write("pilot-wrapper: %s (exit status %d)\n" % (words, status))
    sys.stderr.flush()
    os._exit(status)

def unpack(content, target):
    import zipfile
    mask = os.umask(0o022)  # nobody else may write there, whatever this user grants to a group
    try:
        zipfile.ZipFile(io.BytesIO(content)).extractall(target)
    except zipfile.BadZipFile as wrong:
        give_up(94, "BAD_BUNDLE (1914): %s is no bundle: %s; fetch it again" % (bundle, wrong))
    os.umask(mask)

def is_ours(folder):
    found = os.lstat(folder)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022

def unpack_once(content):
    os.makedirs(home, mode=0o700, exist_ok=True)
    if not is_ours(home):
        give_up(66, "%s is writable by others; give another --cache" % home)
    target = os.path.join(home, wanted)
    if not os.path.lexists(target):
        import tempfile
        with tempfile.TemporaryDirectory(prefix="unpacking-", dir=home) as new:
            unpack(content, os.path.join(new, "pilot"))
            try:
                os.rename(os.path.join(new, "pilot"), target)
            except OSError:
                if not os.path.isdir(target):  # another pilot was faster
                    raise
    if not is_ours(target):
        give_up(66, "%s is writable by others; remove it" % target)
    return target

try:
    with open(bundle, "rb") as file:
        content = file.read()
except OSError as wrong:
    give_up(94, "BAD_BUNDLE (1914): the bundle cannot be read: %s; fetch it again" % wrong)
found = hashlib.sha256(content).hexdigest()
if found != wanted:
    words = "the SHA-256 of %s is %s, and not %s; fetch it again, or correct --sha256" % (bundle, found, wanted)
    give_up(94, "BAD_BUNDLE (1914): " + words)
try:
    home = os.path.abspath(home)  # the pilot starts further processes elsewhere, which find it by this name
    if cached:
        home = unpack_once(content)
    else:
        unpack(content, home)
except OSError as wrong:
    other = "--cache" if cached else "--scratch"
    give_up(69 if wrong.errno in (28, 122) else 66, "the bundle cannot be unpacked: %s; give another %s" % (wrong, other))
del content, found
try:
    os.setsid()
except OSError:
    pass  # it has a session of its own already
sys.dont_write_bytecode = not cached  # what is removed at the end needs none
sys.path.insert(0, home)
sys.argv[0] = "pilot"
from pilot.cli import main

sys.exit(main())
'

while [ $# -gt 0 ]; do
    case $1 in
        --bundle | --sha256 | --python | --scratch | --cache | --last-words)
            [ $# -ge 2 ] || give_up 2 "$1 needs a value; see --help"
            case $1 in
                --bundle) bundle=$2 ;;
                --sha256) sha256=$2 ;;
                --python) python=$2 ;;
                --scratch) base=$2 ;;
                --cache) cache=$2 ;;
                --last-words) last_words=$2 ;;
            esac
            shift 2
            ;;
        --help)
            usage
            exit 0
            ;;
        --)
            shift
            break
            ;;
        *) break ;;
    esac
done

trap 'pass_on HUP 1' HUP
trap 'pass_on INT 2' INT
trap 'pass_on QUIT 3' QUIT
trap 'pass_on USR1 10' USR1
trap 'pass_on USR2 12' USR2
trap 'pass_on TERM 15' TERM
trap 'pass_on XCPU 24' XCPU

[ -n "$bundle" ] || give_up 2 "no bundle is named; give --bundle or COMPASS_BUNDLE"
sha256=$(printf '%s' "$sha256" | tr 'A-F' 'a-f')
case $sha256 in
    *[!0-9a-f]* | "") give_up 2 "--sha256 or COMPASS_BUNDLE_SHA256 must be the bundle's hash, 64 hexadecimal digits" ;;
esac
[ ${#sha256} -eq 64 ] || give_up 2 "--sha256 or COMPASS_BUNDLE_SHA256 must be the bundle's hash, 64 hexadecimal digits"
find_python
home=$cache
if [ -z "$cache" ]; then
    scratch=$(mktemp -d "$base/compass-pilot.XXXXXX") || {
        scratch=
        give_up 66 "no directory can be made in $base; give another by --scratch"
    }
    home=$scratch
fi
[ -z "$caught" ] || give_up $((128 + caught)) "signal $caught came before the pilot was started"

# Byte code shortens the start of every keeper; and nothing else of this Python's settings is the pilot's business (-I).
unset PYTHONDONTWRITEBYTECODE
"$python" -I -c "$start" "$bundle" "$sha256" "$home" "${cache:+cache}" "$@" &
pid=$!
[ -z "$caught" ] || kill -s "$signal" "$pid" 2>/dev/null

# A signal ends the wait, not the pilot: then it is waited for again. Only when an earlier wait has told its status
# already, and the signal came after that, there is nothing left to wait for: 127.
status=127
while :; do
    caught=
    wait "$pid" 2>/dev/null
    told=$?
    [ "$told" -eq 127 ] || status=$told
    [ -n "$caught" ] || break
done
leave "$status" "the pilot ended"
