"""Scripts for batch systems, for sites that submit pilots by hand: rendered from templates, with checked values only.

No value is quoted or escaped: one that would need it is refused by its name. A template's line whose value is empty
is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from pilot.contract.exit_codes import NODE_FAULTS

TEMPLATES = Path(__file__).parents[2] / "wrappers" / "batch"
MB = 10**6
#: Seconds between the word that a pilot is to end, and its end.
GRACE = 120
_FIELD = re.compile(r"@([a-z_]+)@")
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,59}"
_PATH = r"/[A-Za-z0-9_./+-]{0,400}"
_URL = r"https?://[A-Za-z0-9.-]+(:\d{1,5})?(/[A-Za-z0-9_./+-]*)?"
_WORD = r"[A-Za-z0-9_./:=+-]+"
#: What a value may look like, and how that is said. Numbers have limits of their own.
_SHAPES: Mapping[str, tuple[str, str]] = {
    "queue": (_NAME, "letters, digits and _ . + - only"),
    "url": (_URL, "an http(s) address without blanks, quotes and parameters"),
    "sha256": (r"[0-9a-f]{64}", "64 hexadecimal digits, as `make bundle` prints them"),
    "wrapper": (_PATH, "a whole path of letters, digits and _ . + - /"),
    "token": (_PATH, "a whole path of letters, digits and _ . + - /"),
    "bundle": (f"{_PATH}|{_URL}", "a whole path, or an http(s) address"),
    "scratch": (f"|{_PATH}", "a whole path of letters, digits and _ . + - /"),
    "partition": (f"|{_NAME}", "letters, digits and _ . + - only"),
    "account": (f"|{_NAME}", "letters, digits and _ . + - only"),
}
_LIMITS: Mapping[str, tuple[int, int]] = {
    "cores": (1, 4096),
    "memory": (MB, 10**14),
    "disk": (MB, 10**15),
    "wall_time": (10 * 60, 60 * 86400),
    "count": (1, 10_000),
}


class ScriptRefused(ValueError):
    """A value cannot stand in a script; the words name it."""


@dataclass(frozen=True)
class PilotJob:
    """What a script starts ``count`` times. Sizes are in bytes, the wall time is in seconds.

    ``wrapper``, ``token`` and ``bundle`` are files of the machine that submits; a bundle may be an address too, or lie
    on CVMFS. ``partition`` is what the batch system calls its own queue. ``options`` are words for wrapper and pilot.
    """

    queue: str
    url: str
    sha256: str
    wrapper: str
    token: str
    bundle: str
    cores: int = 1
    memory: int = 2000 * MB
    disk: int = 10_000 * MB
    wall_time: int = 86400
    count: int = 1
    partition: str = ""
    account: str = ""
    scratch: str = ""
    options: tuple[str, ...] = ()


def systems() -> tuple[str, ...]:
    """Answer for which batch systems there are templates."""
    return tuple(sorted(path.stem for path in TEMPLATES.glob("*.tmpl")))


def render(system: str, job: PilotJob) -> str:
    """Write the script of one batch system.

    Raises:
        ScriptRefused: there is no such system, or a value cannot stand in a script.
    """
    if system not in systems():
        raise ScriptRefused(f"system: {system!r} is none of {', '.join(systems())}")
    check(job)
    values = {**_sizes(job), **_words(job)}
    lines = (TEMPLATES / f"{system}.tmpl").read_text().splitlines()
    return "".join(f"{_FIELD.sub(lambda found: values[found[1]], line)}\n" for line in lines if _stays(line, values))


def check(job: PilotJob) -> None:
    """Refuse what could be taken for anything else than the value that it is.

    Raises:
        ScriptRefused: with the field, the value and what is expected.
    """
    for each in fields(job):
        value = getattr(job, each.name)
        if each.name in _SHAPES:
            shape, words = _SHAPES[each.name]
            if not re.fullmatch(shape, value, re.ASCII):
                raise ScriptRefused(f"{each.name}: {value!r} cannot stand in a script; expected: {words}")
        elif each.name in _LIMITS:
            low, high = _LIMITS[each.name]
            if not low <= value <= high:
                raise ScriptRefused(f"{each.name}: {value} is not between {low} and {high}")
    for word in job.options:
        if not re.fullmatch(_WORD, word, re.ASCII):
            raise ScriptRefused(f"options: {word!r} cannot stand in a script; put it into a configuration file")


def _stays(line: str, values: Mapping[str, str]) -> bool:
    """Say whether a line has all its values; a line of a program may go without options."""
    return line.startswith("exec ") or all(values[name] for name in _FIELD.findall(line))


def _sizes(job: PilotJob) -> dict[str, str]:
    seconds = job.wall_time
    several = job.count if job.count > 1 else ""
    numbers = {
        "cores": job.cores,
        "slots": job.cores if job.cores > 1 else "",
        "count": job.count,
        "several": several,
        "memory_mb": -(-job.memory // MB),
        "disk_kb": -(-job.disk // 1000),
        "wall_seconds": seconds,
        "wall_soft": seconds - GRACE,
        "wall_minutes": -(-seconds // 60),
        "wall_clock": f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}",
        "grace": GRACE,
        "grace_minutes": GRACE // 60,
    }
    return {name: str(number) for name, number in numbers.items()}


def _words(job: PilotJob) -> dict[str, str]:
    travels = job.bundle.startswith("/") and not job.bundle.startswith("/cvmfs/")
    names = {job.wrapper: "", job.token: "", **({job.bundle: ""} if travels else {})}
    sent = {path: Path(path).name for path in names}
    if len(set(sent.values())) < len(sent):
        raise ScriptRefused(f"wrapper, token, bundle: of {', '.join(sent)} two have the same name")
    return {
        "queue": job.queue,
        "partition": job.partition,
        "account": job.account,
        "wrapper": job.wrapper,
        "options": " ".join(job.options),
        "arguments": " ".join([sent[job.wrapper], *job.options]),
        "files": ", ".join(sent),
        "node_faults": ", ".join(str(int(code)) for code in sorted(NODE_FAULTS)),
        # Where files are sent they are found in the folder that the job starts in; else they stay where they are.
        "environment": " ".join(_environment(job, sent.get(job.bundle, job.bundle), sent[job.token])),
        "exports": "\n".join(f"export {each}" for each in _environment(job, job.bundle, job.token)),
    }


def _environment(job: PilotJob, bundle: str, token: str) -> list[str]:
    own = {
        "COMPASS_BUNDLE": bundle,
        "COMPASS_BUNDLE_SHA256": job.sha256,
        "COMPASS_EXIT_AS": "node",
        "COMPASS_PILOT__SERVER__URL": job.url,
        "COMPASS_PILOT__SERVER__TOKEN_FILE": token,
        "COMPASS_PILOT__QUEUE__NAME": job.queue,
        **({"COMPASS_SCRATCH": job.scratch, "COMPASS_PILOT__JOB__WORKDIR": job.scratch} if job.scratch else {}),
    }
    return [f"{name}={value}" for name, value in own.items()]
