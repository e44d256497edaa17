"""The program ``pilot check``: settings, then server, then node; lines or JSON; and an exit status."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional

from pilot import command_line, options, plugins, settings
from pilot.api.copytools import copytools
from pilot.check import probes
from pilot.check.finding import Finding, bad, doubtful, good, lines, status_of
from pilot.check.probes import PATIENCE, Subject
from pilot.check.service import Contact
from pilot.contract.codes import ErrorCode
from pilot.errors import ConfigError, PilotError
from pilot.runtime.transformation import Allowed
from pilot.site.cvmfs import in_time
from pilot.usage import Parser

if TYPE_CHECKING:
    from pilot.settings import Settings


def main(argv: Sequence[str], say: Callable[[str], None]) -> int:
    """Check this node; any option but ``--json`` is the pilot's. Answer 0 when nothing is bad."""
    words = "Look at everything that a job would meet on this node. Further options are the pilot's own: -q, --url ..."
    parser = Parser(prog="pilot check", description=words, allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="Print what was found as JSON.")
    found, rest = parser.parse_known_args(argv)
    findings = list(examine(rest))
    if found.json:
        say(json.dumps([finding.as_dict() for finding in findings], indent=2))
    else:
        for line in lines(findings):
            say(line)
    return status_of(findings)


def examine(argv: Sequence[str], patience: float = PATIENCE) -> Iterator[Finding]:
    """Find out everything, in the order in which it is told; no one thing takes longer than ``patience`` seconds."""
    found, kept = command_line.parse(argv), _Kept()
    yield from probes.run(None, [("settings", lambda _: _prepare(found, kept))], within=patience)
    if kept.settings is not None:
        yield from _look(kept.settings, kept.tools, patience)


@dataclass
class _Kept:
    """What has been read so far, in a thread that may hang."""

    settings: Optional[Settings] = None
    tools: Mapping[str, Sequence[str]] = field(default_factory=dict)


def _prepare(found: options.Given, kept: _Kept) -> Iterator[Finding]:
    """Read the settings, and load the plugins."""
    try:
        chosen = settings.load(settings.layers(found.config, [options.as_layer(found)])).settings
        Allowed.below(chosen.verify.transformation_urls)
    except ConfigError as wrong:
        yield bad("settings", wrong.detail, ErrorCode.BAD_CONFIGURATION)
        return
    for line in found.obsolete or ():
        yield doubtful("settings", line, "leave it out")
    yield good("settings", "valid", "pilot settings shows them")
    if not chosen.job.workdir and not _is_somewhere():
        kept.settings = chosen
        return  # which is told next; Python 3.13.0 can import little in a folder that is gone
    try:
        known = copytools(plugins.load(chosen.plugins.user, chosen.plugins.also))
        kept.tools = {name: kind.needs(chosen) for name, kind in known.items()}
    except PilotError as wrong:
        yield bad("plugins", wrong.detail, ErrorCode(wrong.code))
    else:
        yield good("plugins", chosen.plugins.user)
    kept.settings = chosen


def _is_somewhere() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True


def _look(chosen: Settings, tools: Mapping[str, Sequence[str]], patience: float) -> Iterator[Finding]:
    from pilot.api.environment import Environment

    try:
        base, variables = Path(chosen.job.workdir or ".").absolute(), settings.environment()
    except FileNotFoundError:
        words = "the folder this was started in is gone"
        yield bad("work folder", words, ErrorCode.BAD_CONFIGURATION, "give another by -a (job.workdir)")
        return
    # One that hangs is told by those that look at the disk.
    there = in_time(lambda: next(folder for folder in (base, *base.parents) if folder.exists()), patience / 2) or base
    here = Environment(there, variables=variables, within=patience / 2)
    subject = Subject(chosen, there, here, Contact(""), tools, variables)
    if not chosen.server.url or not chosen.queue.name:
        missing = "server.url (--url)" if not chosen.server.url else "queue.name (-q)"
        yield bad("server", f"{missing} is not set, so only the node is looked at", ErrorCode.BAD_CONFIGURATION)
    else:
        heard: list[Contact] = []
        yield from probes.run(subject, [("server", lambda _: _meet(chosen, heard))], within=2 * patience)
        subject = replace(subject, contact=heard[0] if heard else Contact(""))
    yield from probes.run(subject, probes.NODE, within=patience)


def _meet(chosen: Settings, heard: list[Contact]) -> Iterator[Finding]:
    """Speak with the server, and leave in ``heard`` what it said."""
    from pilot.api.communicator import Communicator

    token = settings.Token(chosen.server)
    patient = min(chosen.server.read_timeout, PATIENCE / 2)
    quick = replace(
        chosen.server, connect_timeout=min(chosen.server.connect_timeout, PATIENCE / 2), read_timeout=patient
    )
    server = Communicator(quick, token.read)
    heard.append(probes.meet(server, chosen))
    yield from probes.of_server(heard[0])
    yield from probes.credentials(chosen, token.read, server)
