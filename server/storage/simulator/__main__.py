"""``python -m server.storage.simulator``: make a simulated robot, run it, take a drive out of service."""

from __future__ import annotations

import argparse
import fcntl
import logging
import signal
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from server.storage.simulator.door import ring
from server.storage.simulator.making import configuration, make_robot
from server.storage.simulator.robot import Robot
from server.storage.simulator.settings import Layout, RobotSettings
from server.storage.simulator.state import State


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m server.storage.simulator", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    made = commands.add_parser("make", help="make a robot's folder, and print what XRootD's configuration needs")
    run = commands.add_parser("run", help="be the robot, until a signal comes")
    drive = commands.add_parser("drive", help="take a drive out of service, or back into it")
    for command in (made, run, drive):
        command.add_argument("folder", type=Path)
    for field in fields(RobotSettings):
        kind = {"float": float, "int": int}.get(str(field.type), str)
        made.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=argparse.SUPPRESS)
    run.add_argument("--master", type=int, metavar="PID", help="end when this process does")
    drive.add_argument("number", type=int)
    drive.add_argument("state", choices=["up", "down"])
    given = parser.parse_args(arguments)
    layout = Layout(given.folder.absolute())
    try:
        if given.command == "make":
            _make(given)
        elif given.command == "run":
            _run(layout, given.master)
        else:
            _set_drive(layout, given.number, given.state == "down")
    except (ValueError, OSError) as wrong:
        commands.choices[given.command].error(str(wrong))


def _make(given: argparse.Namespace) -> None:
    said = {name: value for name, value in vars(given).items() if name not in ("command", "folder")}
    if "disk" not in said:
        raise ValueError("--disk: missing; the root of the XRootD server is expected")
    said["disk"] = str(Path(said["disk"]).absolute())
    sys.stdout.write(configuration(make_robot(given.folder, RobotSettings(**said))))


def _run(layout: Layout, master: int | None) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        robot = Robot(layout, master)
    except ProcessLookupError as wrong:
        raise ValueError(f"--master: there is no process {master}") from wrong
    with layout.lock.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as wrong:
            raise ValueError(f"{layout.folder}: its robot runs already") from wrong
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: robot.stop())
        robot.run()


def _set_drive(layout: Layout, number: int, down: bool) -> None:
    drives = layout.read_settings().drives
    if not 0 <= number < drives:
        raise ValueError(f"number: there is no drive {number}; there are 0 to {drives - 1}")
    state = State(layout.state)
    state.put_down(number, down)
    state.close()
    ring(layout)


if __name__ == "__main__":
    main()
