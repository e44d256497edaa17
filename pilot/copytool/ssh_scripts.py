"""What the copy tool ``scp`` asks of a storage's host, and what it runs beside: constant texts, given arguments."""

from __future__ import annotations

#: What the storage's host is asked, by any shell of POSIX; "$1" and "$2" are paths.
SIZE = 'ls -dL -- "$1" >/dev/null && if [ -f "$1" ]; then echo "size $(wc -c <"$1")"; else echo other; fi'
FOLDER = '[ -d "$1" ] || exit 90; mkdir -p -- "$2"'
NAME = """
[ ! -d "$2" ] || { echo "$2: File exists" >&2; exit 1; }
if said=$(ln -- "$1" "$2" 2>&1); then exec rm -f -- "$1"; fi
case $said in *"not permitted"* | *"not supported"* | *"not implemented"*) mv -n -- "$1" "$2" || exit ;; esac
if [ -e "$2" ] && [ ! -e "$1" ]; then exit 0; fi
echo "$said" >&2; exit 1"""
REMOVE = 'rm -f -- "$1"'
#: Its Python, where it has one, or md5sum; 91 when it has neither. The file is standard input.
SUM = """
[ -f "$1" ] || { ls -dL -- "$1" >/dev/null || exit; echo "$1 is no file" >&2; exit 1; }
exec <"$1" || exit
for python in python3 python; do
    if "$python" -c "" </dev/null >/dev/null 2>&1; then exec "$python" -c "$2" "$3"; fi
done
[ "$3" = md5 ] && command -v md5sum >/dev/null || exit 91
md5sum | { read -r sum rest && echo "sum $sum"; }"""
READ = 'exec cat <"$1"'
NO_FOLDER, NO_PROGRAM = 90, 91
#: Sums up standard input, by any Python there is.
SUM_UP = """
import hashlib, sys, zlib
sum, md5 = 1, hashlib.md5() if sys.argv[1] == "md5" else None
read = getattr(sys.stdin, "buffer", sys.stdin).read
for block in iter(lambda: read(1 << 20), b""):
    if md5: md5.update(block)
    else: sum = zlib.adler32(block, sum)
print("sum " + (md5.hexdigest() if md5 else "%08x" % (sum & 0xffffffff)))
"""
#: The same here, of what a program writes; it ends as that does.
READ_BACK = """
import subprocess, sys
program = subprocess.Popen(sys.argv[3:], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
summing = subprocess.Popen([sys.executable, "-I", "-c", sys.argv[1], sys.argv[2]], stdin=program.stdout)
program.stdout.close()
sys.exit(summing.wait() or program.wait())
"""
