"""What a manager orders about one job: end it, watch it closely, have something of it shown."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Sequence

from rich.text import Text

from client.actions import WATCH, answer, connect
from client.connection import Connection
from client.errors import ClientError
from pilot.contract.messages import LOOKS
from pilot.contract.states import FINAL


def kill(arguments: Namespace) -> int:
    """End a job: at once where no pilot has it, else by its pilot when that reports next."""
    connection = connect(arguments)
    order = {"job_ids": [arguments.id], **({} if arguments.code is None else {"code": arguments.code})}
    (done,) = connection.post("job/kill", order)
    state = _state(connection, arguments.id)
    if not done:
        raise ClientError(f"job {arguments.id} has ended already, it is {state}", "see 'compass job show' for its end")
    is_over = state in ("cancelled", "closed")
    words = f"is {state}" if is_over else f"is {state}; its pilot ends it when it reports next"
    return answer(arguments, {"PandaID": arguments.id, "state": state}, lambda _: Text(f"job {arguments.id} {words}"))


def debug(arguments: Namespace) -> int:
    """Switch a job's debug mode on or off."""
    is_on = arguments.mode == "on"
    connect(arguments).post("job/set_debug_mode", {"job_id": arguments.id, "mode": is_on})
    words = f"job {arguments.id}: its pilot is told to switch debug mode {arguments.mode} when it reports next"
    return answer(arguments, {"PandaID": arguments.id, "debug": is_on}, lambda _: Text(words))


def tell(arguments: Namespace) -> int:
    """Have a job's pilot told something; with ``--wait`` show what it answers."""
    looks = [part.strip() for part in arguments.words.split(",") if part.strip().partition(" ")[0] in LOOKS]
    if arguments.wait and not looks:
        raise ClientError(f"{arguments.words!r} has no answer to wait for", f"there are {', '.join(LOOKS)}")
    connection = connect(arguments)
    connection.post("job/set_command", {"job_id": arguments.id, "command": arguments.words})
    if arguments.wait:
        return _shown(arguments, connection, looks)
    words = f"is told {arguments.words!r} when it reports next" if arguments.words else "is told nothing more"
    told = {"PandaID": arguments.id, "command": arguments.words}
    return answer(arguments, told, lambda _: Text(f"job {arguments.id}: its pilot {words}"))


def _shown(arguments: Namespace, connection: Connection, looks: Sequence[str]) -> int:
    """Wait until the pilot has shown what was asked for, and show it."""
    until = time.monotonic() + arguments.wait
    while True:
        ((state, command),) = connection.get("job/get_status", job_ids=arguments.id)
        if state in {state.value for state in FINAL}:
            raise ClientError(f"job {arguments.id} is {state}, and has shown nothing before", "see 'compass job log'")
        if not set(looks) & set(str(command).split(",")):
            break
        if time.monotonic() > until:
            words = f"the pilot of job {arguments.id} has shown nothing in {arguments.wait:g} s"
            raise ClientError(words, "it reports seldom unless 'compass job debug' is on; see 'compass job log' later")
        time.sleep(min(WATCH, arguments.wait / 10))
    shown = connection.get("job/get_shown", job_id=arguments.id)
    return answer(arguments, shown, lambda log: Text(str(log["text"]).rstrip("\n")))


def _state(connection: Connection, job_id: int) -> str:
    ((state, _),) = connection.get("job/get_status", job_ids=job_id)
    if state == "notfound":
        raise ClientError(f"there is no job {job_id}", "see 'compass task show' for the jobs of a task")
    return str(state)
