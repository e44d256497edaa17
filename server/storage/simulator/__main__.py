"""``python -m server.storage.simulator``: make a simulated robot, run it, take a drive out of service."""

from __future__ import annotations

import argparse
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
    if given.command == "make":
        _make(made, given)
    elif given.command == "run":
        _run(layout, given.master)
    else:
        _set_drive(layout, given.number, given.state == "down")


def _make(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    said = {name: value for name, value in vars(given).items() if name not in ("command", "folder")}
    if "disk" not in said:
        parser.error("--disk: missing; the root of the XRootD server is expected")
    try:
        sys.stdout.write(configuration(make_robot(given.folder, RobotSettings(**said))))
    except ValueError as wrong:
        parser.error(str(wrong))


def _run(layout: Layout, master: int | None) -> None:
    robot = Robot(layout, master)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: robot.stop())
    robot.run()


def _set_drive(layout: Layout, number: int, down: bool) -> None:
    state = State(layout.state)
    state.put_down(number, down)
    state.close()
    ring(layout)


if __name__ == "__main__":
    main()
