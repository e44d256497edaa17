"""Makes the folder of a simulated robot: its settings, its pipe, and the programs that XRootD runs."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from server.storage.simulator.settings import Layout, RobotSettings
from server.storage.simulator.state import State

#: Bytes that the name of a socket may have.
SOCKET_NAME = 107
#: Run for each request: it starts fast, for it imports next to nothing.
_PREPARE = """#!{python} -IS
import _socket, sys
door = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
door.connect({door!r})
door.sendall("\\n".join(sys.argv[1:]).encode())
door.shutdown(_socket.SHUT_WR)
while block := door.recv(65536):
    sys.stdout.buffer.write(block)
"""
#: XRootD's own protocol with a mass storage system: the first line is 0, or an error's number below zero.
_REMOTE = """#!/bin/sh
# remote WORD PATH [NEW PATH]: what XRootD asks of files that are not on its disk.
tapes={tapes} disk={disk}
case $1 in
statx | exists)
    [ -e "$tapes/$2" ] || {{ echo -2; exit; }}
    echo 0
    kind=f
    [ -f "$tapes/$2" ] || kind=d
    [ "$1" = exists ] || stat -c "$kind rw-r--r-- %h %u %g %X %Z %Y %s %o %b" "$tapes/$2"
    ;;
rm)
    [ ! -h "$disk/$2" ] || rm -f "$disk/$2"
    if rm -f "$tapes/$2"; then echo 0; else echo -13; fi
    ;;
mv)
    [ -f "$tapes/$2" ] || {{ echo 0; exit; }}
    mkdir -p "$(dirname "$tapes/$3")" "$(dirname "$disk/$3")"
    [ ! -h "$disk/$2" ] || mv -f "$disk/$2" "$disk/$3"
    if mv -f "$tapes/$2" "$tapes/$3"; then echo 0; else echo -13; fi
    ;;
*) echo -38 ;;
esac
"""


def make_robot(folder: Path, settings: RobotSettings) -> Layout:
    """Make a robot's folder, or give the one that is there other settings.

    Raises:
        ValueError: the folder is not on the file system of the disk, one of them has a blank in its name, or the
            folder's name is too long.
    """
    layout = Layout(folder.absolute())
    for path in (layout.folder, layout.tapes, layout.passing, Path(settings.disk)):
        path.mkdir(parents=True, exist_ok=True)
        if set(str(path)) & set(" \t\n"):
            raise ValueError(f"{path}: XRootD's configuration takes no path with a blank in it")
    if len(os.fsencode(layout.door)) > SOCKET_NAME:
        raise ValueError(f"{layout.door}: longer than {SOCKET_NAME} bytes, which is all that a socket's name may have")
    if layout.folder.stat().st_dev != Path(settings.disk).stat().st_dev:
        raise ValueError(f"{layout.folder} and {settings.disk} must be on one file system")
    layout.write_settings(settings)
    if not layout.bell.exists():
        os.mkfifo(layout.bell, 0o660)
    State(layout.state).close()
    _write_program(layout.prepare, _PREPARE.format(python=sys.executable, door=str(layout.door)))
    tapes, disk = shlex.quote(str(layout.tapes)), shlex.quote(settings.disk)
    _write_program(layout.remote, _REMOTE.format(tapes=tapes, disk=disk))
    return layout


def configuration(layout: Layout) -> str:
    """Answer the lines that an XRootD server needs to have the robot behind it.

    ``all.export`` must come before any other that exports the same path.
    """
    return (
        "all.export / mig nostage\n"
        f"oss.rsscmd {layout.remote}\n"
        f"ofs.preplib libXrdOfsPrepGPI.so -admit all -cgi -maxfiles 1024 -maxreq 64 -run {layout.prepare}\n"
        f"ofs.notify closew mv >{layout.bell}\n"
    )


def _write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
