"""Settings of jobs whose work comes in event ranges."""

from __future__ import annotations

from pilot.settings.declaring import Section, choice, key


class Events(Section):
    """Jobs of event ranges: how many are asked for, and when their outputs are stored."""

    executor: str = choice(
        "generic",
        "channel",
        "each",
        help="channel: the payload asks for ranges itself; each: it is started for each range; "
        "generic: as the job's arguments say, which name ranges' fields in braces for the latter.",
    )
    at_once: int = key(0, "ranges", low=0, high=100000, help="Ranges in one request; 0: as many as the job has cores.")
    ahead: int = key(1, "ranges", low=1, high=100000, help="Ask for further ranges when fewer than this are in stock.")
    workers: int = key(0, "workers", low=0, high=4096, help="Programs at a time (each); 0: as the job has cores.")
    per_start: int = key(1, "ranges", low=1, high=100000, help="Ranges that one program is started for (each).")
    gap: float = key(
        0.0, "s", low=0, help="Time between two archives of outputs; 0: as the queue says, 600 s where it is borrowed."
    )
    per_archive: int = key(0, "ranges", low=0, high=100000, help="Outputs that make an archive at once; 0: any number.")
    store_failures: int = key(10, "times", low=1, help="Failures in storing outputs after which the job is ended.")
    store_wait: float = key(60.0, "s", low=0.01, help="Wait before an archive is stored again; doubles up to the gap.")
    failures: int = key(20, "ranges", low=1, help="Failed ranges in a row after which no more are given out.")
    ask_for: float = key(1800.0, "s", low=0.1, help="A request for ranges that is not answered so long is given up.")
    ask_wait: float = key(10.0, "s", low=0.01, help="Wait before ranges are asked for again.")
    reserve: float = key(600.0, "s", low=0, help="Time before the end of job or slot in which none are asked for.")
    soft_grace: float = key(
        1800.0, "s", low=0, help="Time for ranges that run when the server wants no more (softkill)."
    )
