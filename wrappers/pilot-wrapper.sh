#!/bin/sh
# Starts one pilot on a worker node: finds a Python, brings the bundle, verifies and unpacks it, runs the pilot, watches
# that it gives signs of life, cleans up behind it, and says how it ended.
# POSIX shell; needs mktemp, rm, mv, sleep, a printf and a Python; curl or wget only where a bundle is fetched.
set -u
newline='
'
IFS=" 	$newline"
unset CDPATH
# A batch system may start this with nothing at all; what is opened must not become the pilot's input or output.
PATH=${PATH:-/usr/local/bin:/usr/bin:/bin}
export PATH
exec </dev/null
{ true >&1; } 2>/dev/null || exec >/dev/null
{ true >&2; } 2>/dev/null || exec 2>/dev/null

usage() {
    cat <<'END'
Usage: pilot-wrapper.sh [wrapper's options] [--] [pilot's options]

  --bundle WHERE      the pilot bundle, as "make bundle" wrote it: a file,
                      on CVMFS perhaps, or its http(s) address           (COMPASS_BUNDLE)
  --sha256 HASH       its SHA-256, from a source that you trust, not
                      from beside the bundle                             (COMPASS_BUNDLE_SHA256)
  --python PROGRAM    a Python, 3.9 or newer; searched otherwise         (COMPASS_PYTHON)
  --pythons PATTERNS  where it is looked for before the PATH: names,
                      blanks between them, * allowed                     (COMPASS_PYTHONS)
  --scratch DIR       where the bundle is unpacked, in a directory of
                      its own that is removed at the end                 (COMPASS_SCRATCH, TMPDIR, /tmp)
  --cache DIR         unpack into DIR/<hash> instead and keep it: later
                      pilots start faster; DIR must be the user's own    (COMPASS_BUNDLE_CACHE)
  --token FILE        the pilot's token                                  (COMPASS_PILOT__SERVER__TOKEN_FILE)
  --proxy FILE        the pilot's proxy                                  (X509_USER_PROXY)
  --silence SECONDS   end a pilot that gives no sign of life for so
                      long; 0 never; usually 3600: less than 300 ends
                      pilots that are well, and is for tests             (COMPASS_SILENCE)
  --exit-as KIND      pilot: exit with the pilot's status (usual);
                      node: with 0 unless the node is at fault           (COMPASS_EXIT_AS)
  --last-words FILE   write there what happened: exit_status=, words=    (COMPASS_LAST_WORDS)
  --help              this text; "-- --help" shows the pilot's options

The first word that is not among these begins the pilot's options. The exit status is the pilot's, 128 + n when
signal n ended it. The wrapper's own: 2 wrong options, 64 CVMFS does not answer, 66 no directory, 68 no proxy,
69 disk full, 76 no Python, 79 the bundle cannot be fetched, 94 bad bundle, 95 the pilot was silent.
Signals are passed on to the pilot, which runs in a session of its own; its end is waited for.
END
}

bundle=${COMPASS_BUNDLE:-}
sha256=${COMPASS_BUNDLE_SHA256:-}
python=${COMPASS_PYTHON:-}
pythons=${COMPASS_PYTHONS:-}
base=${COMPASS_SCRATCH:-${TMPDIR:-/tmp}}
cache=${COMPASS_BUNDLE_CACHE:-}
token=${COMPASS_PILOT__SERVER__TOKEN_FILE:-}
proxy=${X509_USER_PROXY:-}
silence=${COMPASS_SILENCE:-3600}
exit_as=${COMPASS_EXIT_AS:-pilot}
last_words=${COMPASS_LAST_WORDS:-}
scratch=
sign=
pid=
watcher=
caught=
signal=
silent=
late=
began=

# Seconds: that CVMFS may take to answer; that one attempt to fetch the bundle may take, and may bring next to nothing;
# between attempts, 0, 1 and 2 times; that a report may take.
mount_time=60
fetch_time=900
fetch_patience=${COMPASS_FETCH_PATIENCE:-30}
fetch_pause=${COMPASS_FETCH_PAUSE:-15}
report_time=${COMPASS_REPORT_TIME:-10}

say() { # <words>
    printf 'pilot-wrapper: %s\n' "$1" >&2
}

put_words() { # <exit status> <words>: one line each, whatever names they hold
    words=$2
    while :; do
        case $words in
            *"$newline"*) words="${words%%"$newline"*} ${words#*"$newline"}" ;;
            *) break ;;
        esac
    done
    [ -z "$last_words" ] || {
        printf 'exit_status=%s\nwords=%s\n' "$1" "$words" >"$last_words.part" && mv -f "$last_words.part" "$last_words"
    } 2>/dev/null || say "the last words cannot be written to $last_words: exit_status=$1 words=$words"
}

# What the batch system is told: with --exit-as node only what speaks against the node (`exit_codes.NODE_FAULTS`), and
# that a signal ended it all.
leave() { # <exit status> <words>
    trap '' HUP INT QUIT TERM USR1 USR2 XCPU ALRM
    [ -z "$watcher" ] || kill -s TERM "$watcher" 2>/dev/null
    put_words "$1" "$2"
    if [ -n "$scratch" ]; then
        rm -rf "$scratch" 2>/dev/null || { chmod -R u+rwx "$scratch" && rm -rf "$scratch"; } 2>/dev/null ||
            say "$scratch cannot be removed"
    fi
    [ -z "$sign" ] || [ ! -e "$sign" ] || rm -f "$sign" "$sign.seen"
    # A pilot that has ended by itself has said so.
    if [ -z "$began" ] || [ -n "$silent" ] || [ "$1" -gt 128 ]; then
        report finished
    fi
    if [ "$exit_as" = node ]; then
        case $1 in
            2 | 64 | 66 | 69 | 73 | 75 | 76 | 95) ;;
            *) [ "$1" -gt 128 ] || exit 0 ;;
        esac
    fi
    exit "$1"
}

give_up() { # <exit status> <words, with the remedy>
    say "$2 (exit status $1)"
    leave "$1" "$2"
}

# shellcheck disable=SC2329 # called by the traps
pass_on() { # <signal's name> <its number>
    caught=$2
    again=yes
    if [ -z "$began" ]; then
        set -- TERM "$2" # what a shell starts beside it is deaf to INT and QUIT
    fi
    if [ -n "$pid" ]; then
        kill -s "$1" "$pid" 2>/dev/null
    else
        signal=$1
    fi
    # In case that nobody waits for the end of this.
    [ -z "$last_words" ] || put_words "$((128 + $2))" "signal $2 came; the end of the pilot was not seen"
}

# A time is over: that of a program that may hang, or that of a pilot.
# shellcheck disable=SC2329 # called by a trap
time_over() {
    again=yes
    if [ -z "$began" ]; then
        late=yes
    elif [ -z "$silent" ]; then
        silent=yes
        say "the pilot has given no sign of life for $silence s; it is told to end"
        [ -z "$pid" ] || kill -s TERM "$pid" 2>/dev/null
    else
        [ -z "$pid" ] || kill -s KILL "$pid" 2>/dev/null
    fi
}

# A signal ends the wait, not what is waited for: then it is waited for again. Only when an earlier wait has told the
# status already, and the signal came after that, there is nothing left to wait for: 127.
hear() { # waits for $pid; its status is left in $status
    [ -z "$signal" ] || kill -s "$signal" "$pid" 2>/dev/null
    signal=
    status=127
    while :; do
        again=
        wait "$pid" 2>/dev/null
        told=$?
        [ "$told" -eq 127 ] || status=$told
        [ -n "$again" ] || break
        [ -z "$late" ] || break
    done
    pid=
}

run() { # <program and its words>: its status in $status; a signal ends it, and all of this
    "$@" &
    pid=$!
    hear
    stop_if_told
}

# What hangs in a file system cannot even be killed, so it is not waited for when the time is over; $late says that. The
# timer is ended by a signal that cannot be lost: its word must not come later.
run_for() { # <seconds> <program and its words>: likewise
    seconds=$1
    shift
    late=
    "$@" &
    pid=$!
    asked=$pid
    {
        # Again and again, for bash may miss a signal that comes together with the end of a child.
        sleep "$seconds"
        while kill -s ALRM $$; do sleep 2; done
    } >/dev/null 2>&1 &
    timer=$!
    hear
    kill -s KILL "$timer" 2>/dev/null
    wait "$timer" 2>/dev/null
    [ -z "$late" ] || kill -s KILL "$asked" 2>/dev/null
    stop_if_told
}

stop_if_told() {
    [ -z "$caught" ] || give_up $((128 + caught)) "signal $caught came before the pilot was started"
}

whole() { # <name of a variable that holds a path>: the pilot starts further processes elsewhere
    path=
    eval "path=\$$1"
    case $path in
        '' | /*) ;;
        *) eval "$1=\$PWD/\$path" ;;
    esac
}

# Tells the server that a worker has begun, or ended: Harvester's, or one of the server's own factory, which it knows by
# the id in the batch system. Nothing waits for that longer than it may take, and nothing depends on it.
report() { # started | finished
    url=${COMPASS_PILOT__SERVER__URL:-}
    case $url in http://* | https://*) ;; *) return ;; esac
    [ "${COMPASS_REPORT:-}" != no ] || return
    worker=${HARVESTER_WORKER_ID:-0}
    named="${HARVESTER_ID:-} ${COMPASS_BATCH_ID:-}"
    case $worker$named in *[!A-Za-z0-9_.:@/#\ +-]*) return ;; esac
    case $worker in *[!0-9]*) return ;; esac
    [ -n "${COMPASS_BATCH_ID:-}" ] || { [ -n "${HARVESTER_ID:-}" ] && [ "$worker" -gt 0 ]; } || return
    node=$(uname -n 2>/dev/null)
    case $node in *[!A-Za-z0-9_.-]*) node= ;; esac
    said="{\"worker_id\": $worker, \"harvester_id\": \"${HARVESTER_ID:-factory}\", \"status\": \"$1\", \"node_id\": \"$node\""
    [ -z "${COMPASS_BATCH_ID:-}" ] || said="$said, \"batch_id\": \"$COMPASS_BATCH_ID\""
    url=${url%/}/api/v1/pilot/update_worker_status
    if command -v curl >/dev/null 2>&1; then
        tell_by_curl "$url" "$said}"
    elif [ -n "$python" ]; then
        "$python" -I -c "$tell" "$url" "$said}" "$report_time" "$token"
    fi >/dev/null 2>&1
}

tell_by_curl() { # <address> <JSON>: what is secret goes by the standard input, and stands in no list of processes
    unset secret # nor does it become a variable of others, had somebody exported one of this name
    secret=
    [ -z "$token" ] || [ ! -r "$token" ] || IFS= read -r secret <"$token"
    case $secret in *[!A-Za-z0-9_.~+/=-]*) secret= ;; esac
    set -- curl --disable --config - --silent --max-time "$report_time" --header 'Content-Type: application/json' \
        --data "$2" "$1"
    if [ -n "$secret" ]; then
        # Not by printf, which is a program of its own in some shells.
        "$@" <<END
header = "Authorization: Bearer $secret"
END
    elif [ -n "$proxy" ]; then
        "$@" --cert "$proxy" --capath "${X509_CERT_DIR:-/etc/grid-security/certificates}"
    else
        "$@"
    fi
}

# shellcheck disable=SC2016
tell='
import os, sys, threading, urllib.request
url, said, seconds, token = sys.argv[1:5]
timer = threading.Timer(float(seconds), os._exit, [1])
timer.daemon = True
timer.start()
headers = {"Content-Type": "application/json"}
if token:
    with open(token) as file:
        headers["Authorization"] = "Bearer " + file.read().strip()
urllib.request.urlopen(urllib.request.Request(url, said.encode(), headers), timeout=float(seconds)).read()
'

# A file system that hangs would take this shell with it: somebody else asks first.
answered=
ask_cvmfs() { # <a path, or a pattern>
    case $1 in
        /cvmfs/*/*) repository=${1#/cvmfs/} ;;
        *) return 0 ;;
    esac
    repository=/cvmfs/${repository%%/*}
    [ "$repository" != "$answered" ] || return 0
    # shellcheck disable=SC2016
    run_for "$mount_time" /bin/sh -c '[ -d "$1/." ]' sh "$repository"
    [ -z "$late" ] ||
        give_up 64 "CVMFS_NOT_ALIVE (1377): $repository does not answer within $mount_time s; run cvmfs_config probe on the node"
    answered=$repository
}

# Takes the program itself where a name stands for a script that looks for it, as pyenv's do: that costs each time.
take_python() { # <python>
    found=$("$1" -I -S -c 'import sys; print(sys.executable) if sys.version_info >= (3, 9) else sys.exit(1)' 2>/dev/null) &&
        [ -n "$found" ] && python=$found
}

find_python() {
    if [ -n "$python" ]; then
        ask_cvmfs "$python"
        take_python "$python" || give_up 76 "$python is not a Python 3.9 or newer; correct --python or COMPASS_PYTHON"
        return
    fi
    set -f
    # shellcheck disable=SC2086 # blanks part them
    set -- $pythons
    set +f
    for pattern in "$@"; do
        ask_cvmfs "$pattern"
        for name in $pattern; do
            ! take_python "$name" || return 0
        done
    done
    for name in python3 python3.13 python3.12 python3.11 python3.10 python3.9 /usr/libexec/platform-python python; do
        ! take_python "$name" || return 0
    done
    give_up 76 "no Python 3.9 or newer is ${pythons:+among $pythons or }on the PATH ($PATH); install one, or name it by --python"
}

make_scratch() { # <pattern of its name> <the option that names another place>
    scratch=$(LC_ALL=C mktemp -d "$1" 2>&1) && return
    words=$scratch
    scratch=
    case $words in
        *"No space left"* | *"quota exceeded"*) give_up 69 "NO_LOCAL_SPACE (1098): $words; free it, or give another $2" ;;
    esac
    give_up 66 "no directory can be made: $words; give another $2"
}

# shellcheck disable=SC2016
hash='
import hashlib, sys
with open(sys.argv[1], "rb") as file:
    print(hashlib.sha256(file.read()).hexdigest())
'

# For nodes without curl. Goes on where an earlier attempt has stopped; 3 when this Python cannot speak TLS.
# shellcheck disable=SC2016
get='
import os, sys, time, urllib.error, urllib.request
url, name, patience, most = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
end = time.monotonic() + most
try:
    import ssl
except ImportError:
    if url.startswith("https:"):
        sys.exit(3)
have = os.path.getsize(name) if os.path.exists(name) else 0
asked = urllib.request.Request(url, headers={"Range": "bytes=%d-" % have} if have else {})
try:
    with urllib.request.urlopen(asked, timeout=patience) as answer:
        with open(name, "ab" if have and answer.status == 206 else "wb") as file:
            wanted, got, since, before = answer.headers.get("Content-Length"), 0, time.monotonic(), 0
            for piece in iter(lambda: answer.read1(65536), b""):
                got += len(piece)
                if got > 500000000:
                    sys.exit("it is larger than any bundle")
                file.write(piece)
                if time.monotonic() > end:
                    sys.exit("it takes longer than %d s" % most)
                if time.monotonic() - since > patience:
                    if got - before < 1000 * patience:
                        sys.exit("it drips")
                    since, before = time.monotonic(), got
    if wanted is not None and got < int(wanted):
        sys.exit("it breaks off after %d bytes" % got)
except (OSError, ValueError) as wrong:
    sys.exit(str(wrong))
'

download() { # <address> <file>: goes on with what is there; its status in $status
    if command -v curl >/dev/null 2>&1; then
        set -- "$1" "$2" curl --disable --fail --location --max-redirs 5 --proto =http,https --proto-redir =http,https --silent --show-error \
            --max-time "$fetch_time" --connect-timeout "$fetch_patience" --speed-limit 1000 --speed-time "$fetch_patience" --max-filesize 500000000 --continue-at -
        [ -z "${X509_CERT_DIR:-}" ] || set -- "$@" --capath "$X509_CERT_DIR"
        address=$1 file=$2
        shift 2
        run "$@" --output "$file" "$address"
        return
    fi
    run "$python" -I -c "$get" "$1" "$2" "$fetch_patience" "$fetch_time"
    if [ "$status" -eq 3 ] && command -v wget >/dev/null 2>&1; then
        run wget -q -c -t 1 -T "$fetch_patience" -O "$2" "$1"
    fi
}

pause() { # <seconds>
    run sleep "$1"
}

# What comes is not believed: only a file with the hash that was ordered is a bundle. One with another hash is thrown away
# and fetched as a whole, for the part of it that an earlier attempt had left may have been the bad one.
fetch() { # <address> <file>
    found=
    for turn in 1 2 3 4; do
        download "$1" "$2"
        if [ "$status" -eq 0 ] && [ -s "$2" ]; then
            found=$("$python" -I -S -c "$hash" "$2" 2>/dev/null)
            [ "$found" != "$sha256" ] || return 0
            rm -f "$2"
        elif [ "$status" -eq 22 ] || [ "$status" -eq 33 ]; then
            rm -f "$2" # curl: refused, perhaps for the part that is there
        fi
        [ "$turn" -eq 4 ] || pause $(((turn - 1) * fetch_pause))
    done
    [ -z "$found" ] ||
        give_up 94 "BAD_BUNDLE (1914): the SHA-256 of what $1 gives is $found, and not $sha256; correct the one or the other"
    give_up 79 "COMMUNICATION_FAILURE (1318): the bundle cannot be fetched from $1 (status $status of the last attempt); can the node reach it?"
}

# Looks once a minute whether the file that the pilot touches was touched. Time in which this does not run either, on a
# node that is suspended, does not count; nor does a pilot that never gave a sign, as older ones do not.
# shellcheck disable=SC2329 # runs in the background
watch() {
    sleeper=
    trap '[ -z "$sleeper" ] || kill "$sleeper" 2>/dev/null; exit 0' TERM
    nap=60
    [ "$silence" -ge 300 ] || nap=$(((silence + 4) / 5))
    idle=0
    while :; do
        sleep "$nap" &
        sleeper=$!
        wait "$sleeper"
        kill -0 $$ 2>/dev/null || exit 0
        [ -e "$sign" ] || continue
        # shellcheck disable=SC3013 # every shell that nodes have knows it
        if [ ! -e "$sign.seen" ] || [ "$sign" -nt "$sign.seen" ]; then
            { true >"$sign.seen"; } 2>/dev/null
            idle=0
        else
            idle=$((idle + nap))
        fi
        [ "$idle" -ge "$silence" ] || continue
        kill -s ALRM $$ 2>/dev/null || exit 0
        idle=$((silence - 2 * nap))
    done
}

# Verifies and unpacks the bundle, then becomes the pilot: one start of Python, and the bytes that are verified are the
# bytes that are run. Arguments: bundle, hash, directory, "cache" or "", "proxy" or "", then the pilot's.
# shellcheck disable=SC2016
start='
import _signal, hashlib, io, os, stat, sys, time

# A shell starts what runs beside it with these two ignored; one that comes before the pilot listens would be lost.
for number in (_signal.SIGINT, _signal.SIGQUIT):
    _signal.signal(number, _signal.SIG_DFL)
bundle, wanted, home, cache, proxy_asked = sys.argv[1:6]
del sys.argv[1:6]

def say(words):
    sys.stderr.write("pilot-wrapper: %s\n" % words.replace("\n", " "))
    sys.stderr.flush()

def give_up(status, words):
    say("%s (exit status %d)" % (words, status))
    os._exit(status)

def is_ours(folder):
    found = os.lstat(folder)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022

# A secret that others can read, as a batch system may have left it, is closed to them.
def is_private(path):
    found = os.stat(path)
    if found.st_mode & 0o077:
        if found.st_uid != os.getuid():
            return False
        os.chmod(path, 0o600)
    return True

def look_at_secrets():
    proxy = os.environ.get("X509_USER_PROXY")
    if proxy:
        try:
            words = "" if is_private(proxy) else "%s is another user\x27s, and others can read it" % proxy
        except OSError as wrong:
            words = "the proxy cannot be read: %s" % wrong
        if words and proxy_asked:
            give_up(68, "NO_PROXY (1163): %s; make one with mode 0600, or correct --proxy" % words)
        if words:
            say(words)
    token = os.environ.get("COMPASS_PILOT__SERVER__TOKEN_FILE")
    if token:
        try:
            if not is_private(token):
                say("%s is another user\x27s, and others can read it" % token)
            with open(token) as file:
                look_at_clock(file.read(4096).strip().split("."))
        except (OSError, ValueError):
            pass  # the pilot says what is wrong with it

# A pass of our server says when it was born and when it ends.
def look_at_clock(parts):
    if not (len(parts) == 5 and parts[0].startswith("cpp_")):
        return
    born, ends, now = float(parts[1]), float(parts[2]), time.time()
    if born > now + 120:
        say("the clock of this node is %d s behind that of the server, or more; set it" % (born - now))
    elif ends < now:
        say("the pass ended %d s ago; it waited too long, or the clock of this node is wrong" % (now - ends))

def has_room(folder, packed):
    members = packed.infolist()
    needs = sum(member.file_size for member in members) + 4096 * len(members)
    found = os.statvfs(folder)
    if found.f_bavail * found.f_frsize < needs:
        return "%d bytes are free in %s, and the pilot needs %d" % (found.f_bavail * found.f_frsize, folder, needs)
    if found.f_files and found.f_favail < len(members):
        return "%d files may be made in %s, and the pilot needs %d" % (found.f_favail, folder, len(members))
    return ""

def unpack(content, folder, target):
    import zipfile
    mask = os.umask(0o022)  # nobody else may write there, whatever this user grants to a group
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            lacks = has_room(folder, packed)
            if lacks:
                give_up(69, "NO_LOCAL_SPACE (1098): %s; free it, or give another %s" % (lacks, option))
            packed.extractall(target)
    except zipfile.BadZipFile as wrong:
        give_up(94, "BAD_BUNDLE (1914): %s is no bundle: %s; fetch it again" % (bundle, wrong))
    os.umask(mask)

def read():
    try:
        with open(bundle, "rb") as file:
            content = file.read()
    except OSError as wrong:
        give_up(94, "BAD_BUNDLE (1914): the bundle cannot be read: %s; fetch it again" % wrong)
    found = hashlib.sha256(content).hexdigest()
    if found != wanted:
        words = "the SHA-256 of %s is %s, and not %s; fetch it again, or correct --sha256" % (bundle, found, wanted)
        give_up(94, "BAD_BUNDLE (1914): " + words)
    return content

def unpack_once():
    if not is_ours(cache):
        give_up(66, "%s is writable by others; give another --cache" % cache)
    target = os.path.join(cache, wanted)
    if not os.path.lexists(target):
        unpack(read(), home, os.path.join(home, "pilot"))
        try:
            os.rename(os.path.join(home, "pilot"), target)
        except OSError:
            if not os.path.isdir(target):  # another pilot was faster
                raise
    if not is_ours(target):
        give_up(66, "%s is writable by others; remove it" % target)
    return target

look_at_secrets()
option = "--cache" if cache else "--scratch"
try:
    if cache:
        home = unpack_once()
    else:
        unpack(read(), home, home)
except OSError as wrong:
    full = wrong.errno in (28, 122)
    words = "NO_LOCAL_SPACE (1098): " if full else ""
    give_up(69 if full else 66, "%sthe bundle cannot be unpacked: %s; give another %s" % (words, wrong, option))
try:
    os.setsid()
except OSError:
    pass  # it has a session of its own already
sys.dont_write_bytecode = not cache  # what is removed at the end needs none
sys.path.insert(0, home)
sys.argv[0] = "pilot"
try:
    from pilot.cli import main
except ImportError as wrong:
    give_up(94, "BAD_BUNDLE (1914): %s is not whole: %s; %s" % (home, wrong, "remove it" if cache else "build it again"))

sys.exit(main())
'

trap 'pass_on HUP 1' HUP
trap 'pass_on INT 2' INT
trap 'pass_on QUIT 3' QUIT
trap 'pass_on USR1 10' USR1
trap 'pass_on USR2 12' USR2
trap 'pass_on TERM 15' TERM
trap 'pass_on XCPU 24' XCPU
trap time_over ALRM

proxy_asked=
while [ $# -gt 0 ]; do
    case $1 in
        --bundle | --sha256 | --python | --pythons | --scratch | --cache | --token | --proxy | --silence | --exit-as | \
            --last-words)
            [ $# -ge 2 ] || give_up 2 "$1 needs a value; see --help"
            case $1 in
                --bundle) bundle=$2 ;;
                --sha256) sha256=$2 ;;
                --python) python=$2 ;;
                --pythons) pythons=$2 ;;
                --scratch) base=$2 ;;
                --cache) cache=$2 ;;
                --token) token=$2 ;;
                --proxy) proxy=$2 proxy_asked=proxy ;;
                --silence) silence=$2 ;;
                --exit-as) exit_as=$2 ;;
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

[ -n "$bundle" ] || give_up 2 "no bundle is named; give --bundle or COMPASS_BUNDLE"
case $sha256 in
    *[!0-9a-fA-F]* | "") give_up 2 "--sha256 or COMPASS_BUNDLE_SHA256 must be the bundle's hash, 64 hexadecimal digits" ;;
    *[A-F]*) sha256=$(printf '%s' "$sha256" | tr 'A-F' 'a-f') ;;
esac
[ ${#sha256} -eq 64 ] || give_up 2 "--sha256 or COMPASS_BUNDLE_SHA256 must be the bundle's hash, 64 hexadecimal digits"
case $silence in
    *[!0-9]* | "" | 0?*) give_up 2 "--silence or COMPASS_SILENCE must be seconds, 0 for never" ;;
esac
case $exit_as in
    pilot | node) ;;
    *) exit_as=pilot give_up 2 "--exit-as or COMPASS_EXIT_AS must be pilot or node" ;;
esac
for name in token proxy base cache; do whole "$name"; done
[ -z "$token" ] || export COMPASS_PILOT__SERVER__TOKEN_FILE="$token"
[ -z "$proxy" ] || export X509_USER_PROXY="$proxy"
[ -n "${HOME:-}" ] || export HOME="$PWD" # set-up scripts of experiments want one

stop_if_told
find_python
if [ -n "${HARVESTER_ID:-}${COMPASS_BATCH_ID:-}" ] && [ "${COMPASS_REPORT:-}" != no ]; then
    report started >/dev/null 2>&1 &
fi
if [ -z "$cache" ]; then
    make_scratch "$base/compass-pilot.XXXXXX" "by --scratch"
elif [ ! -d "$cache/$sha256" ]; then
    [ -d "$cache" ] || (umask 077 && mkdir -p "$cache") 2>/dev/null
    make_scratch "$cache/unpacking.XXXXXX" --cache
fi
stop_if_told
case $bundle in
    http://* | https://*)
        if [ -n "$scratch" ]; then
            fetch "$bundle" "$scratch/pilot.pyz"
            bundle=$scratch/pilot.pyz
        fi
        ;;
    *)
        whole bundle
        ask_cvmfs "$bundle"
        ;;
esac
sign=${scratch:-$PWD}/.compass-sign.$$
export COMPASS_SIGN_OF_LIFE="$sign"

# Byte code shortens the start of every keeper; and nothing else of this Python's settings is the pilot's business (-I).
unset PYTHONDONTWRITEBYTECODE
stop_if_told
began=yes
"$python" -I -c "$start" "$bundle" "$sha256" "$scratch" "$cache" "$proxy_asked" "$@" &
pid=$!
if [ "$silence" -gt 0 ]; then
    watch >/dev/null 2>&1 &
    watcher=$!
fi
hear
[ -z "$silent" ] || give_up 95 "the pilot gave no sign of life for $silence s, and was ended"
leave "$status" "the pilot ended"
