"""What each hook may answer, told from the answer's type; `None`, which passes, is always right."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Callable

from pilot.contract.named import NamedTuple
from pilot.job import LogStream, PayloadCommand, Problem, Utility


class Answer(NamedTuple):
    """What is right, for a program and in words."""

    is_right: Callable[[Any], bool]
    words: str


def _all(kind: Any) -> Callable[[Any], bool]:
    """Answer what says whether a collection holds nothing but this; a text is no collection of texts."""

    def is_right(found: Any) -> bool:
        return isinstance(found, Collection) and not isinstance(found, str) and all(isinstance(x, kind) for x in found)

    return is_right


def _is_number(found: Any) -> bool:
    return hasattr(found, "__float__")  # numpy's are no int


def _is_environment(found: Any) -> bool:
    return isinstance(found, Mapping) and _all(str)(found) and _all(str)(found.values())


def _are_figures(found: Any) -> bool:
    return (
        isinstance(found, Mapping)
        and _all(str)(found)
        and all(isinstance(figure, str) or _is_number(figure) for figure in found.values())
    )


def _is_progress(found: Any) -> bool:
    if not isinstance(found, (tuple, list)) or len(found) != 2:
        return False
    return _is_number(found[0]) and (found[1] is None or _is_number(found[1]))


def _are_services(found: Any) -> bool:
    from pilot.hpc.values import NodeService  # nothing of it is needed before an allocation is

    return _all(NodeService)(found)


def _is_resource(found: Any) -> bool:
    from pilot.hpc.values import Resource

    return isinstance(found, Resource)


_TEXTS = Answer(_all(str), "a sequence of texts")
_PROBLEM = Answer(lambda found: isinstance(found, Problem), "a Problem")

#: By hook. Of what is not here no answer is looked at.
ANSWERS: Mapping[str, Answer] = {
    "register_copytools": Answer(_all(type), "a sequence of classes"),
    "verify_job": Answer(lambda found: isinstance(found, (Problem, str)), "a Problem or words"),
    "payload_environment": Answer(_is_environment, "a mapping of texts to texts"),
    "payload_command": Answer(lambda found: isinstance(found, (list, tuple)) and _all(str)(found), _TEXTS.words),
    "wrap_command": Answer(lambda found: isinstance(found, PayloadCommand), "a PayloadCommand"),
    "utility_commands": Answer(_all(Utility), "a sequence of Utility"),
    "diagnose_payload": _PROBLEM,
    "job_metrics": Answer(_are_figures, "a mapping of texts to texts or numbers"),
    "payload_progress": Answer(_is_progress, "two numbers, the second of which may be None"),
    "realtime_logging": Answer(lambda found: isinstance(found, LogStream), "a LogStream"),
    "node_services": Answer(_are_services, "a sequence of NodeService"),
    "hpc_resource": Answer(_is_resource, "a Resource"),
    "quiet_files": _TEXTS,
    "monitor_checks": _PROBLEM,
    "redundant_files": _TEXTS,
}
