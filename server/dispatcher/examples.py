"""What a call of ``/api/v1`` and its answers look like, for the description of the interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from server.lib.arguments import Argument

#: Arguments whose name says what stands in them, in every method that has one.
BY_NAME: Mapping[str, Any] = {
    "attempt_nr": 1,
    "client_name": "pilot_server",
    "command": "tail payload.stdout",
    "command_ids": [17],
    "core_count": 8,
    "cpu_model": "AMD EPYC 7302 16-Core Processor",
    "dialogs": [{"diagID": 1, "moduleName": "submitter", "messageLevel": "ERROR", "diagMessage": "no free slots"}],
    "file_size": 10240,
    "harvester_id": "HARVESTER-1",
    "host_name": "wn17.example",
    "job_id": 4711,
    "job_ids": [4711, 4712],
    "job_list": [{"job_id": 4711, "job_status": "running", "attempt_nr": 1}],
    "job_status": "running",
    "jobs": [
        {
            "transformation": "simulate",
            "jobParameters": "--events 100 --output out.root",
            "files": [{"lfn": "out.root", "type": "output", "dataset": "user.me.out"}],
        }
    ],
    "kind": "REPORT_WORKER_STATS",
    "metrics": [["2026-11-22 12:00:00", "edge.example", {"cpu_pc": 12}]],
    "n_commands": 10,
    "n_jobs": 1,
    "panda_queue": "LOCAL",
    "prod_source_label": "managed",
    "request_id": 7,
    "site": "LOCAL",
    "site_name": "LOCAL",
    "slots": 100,
    "statistics": '{"managed": {"SCORE": {"running": 3}}}',
    "status": "started",
    "task_id": 42,
    "task_parameters": {
        "taskName": "user.me.look.1",
        "transPath": "simulate",
        "nEvents": 1000,
        "nEventsPerJob": 100,
        "jobParameters": [{"type": "constant", "value": "--events ${MAXEVENTS}"}],
    },
    "worker_id": 123,
    "workers": [{"workerID": 123, "status": "running", "computingSite": "LOCAL"}],
}
#: What stands in a required argument of any other name.
_BY_KIND: Mapping[str, Any] = {"a whole number": 1, "a number": 1.5, "true or false": True, "a JSON object": {}}

_ENDINGS: Mapping[str, str] = {
    "400": "the body is not JSON: unexpected end of data: line 1 column 1 (char 0)",
    "403": "the token notebook has the role reader; this needs admin or production",
    "404": "/api/v1/job/kil: there is no such method; see the list of addresses",
    "413": "the body has 41943040 bytes; at most 33554432 are taken",
    "429": "the token notebook calls more often than 50 times a second; wait 0.25 s",
    "500": "the server broke on this request; its log says where. Try again later",
}


def call_of(arguments: Sequence[Argument]) -> dict[str, Any]:
    """Make up a call: what a method requires, and what of the rest has a telling name."""
    shown = [argument for argument in arguments if argument.required or argument.name in BY_NAME]
    return {argument.name: value_of(argument) for argument in shown}


def value_of(argument: Argument) -> Any:
    """Make up a value of an argument."""
    if argument.name in BY_NAME:
        return BY_NAME[argument.name]
    value = _BY_KIND.get(argument.kind.expected, "name")
    return [value] if argument.most else value


def good_answer() -> dict[str, Any]:
    return {"success": True, "message": "", "data": None}


def refusal(words: str) -> dict[str, Any]:
    return {"success": False, "message": words, "data": None}


def refusal_of(arguments: Sequence[Argument]) -> dict[str, Any]:
    """Say what is answered to a call that has a slip."""
    named = next((argument for argument in arguments if argument.required), None)
    if named is None:
        return refusal("Argument error: got an unexpected argument 'nme'; there are none")
    wanted = f"a list of {named.kind.expected.partition(' ')[2]}s" if named.most else named.kind.expected
    return refusal(f"Argument error: {named.name}: missing; {wanted} is expected")


def ending(status: str) -> dict[str, Any]:
    """Answer what comes with a status of HTTP that is none of success."""
    return refusal(_ENDINGS[status])
