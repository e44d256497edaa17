"""Whether the pilot's proxy and token live long enough to store a job's outputs and to report it."""

from __future__ import annotations

from typing import Optional

from pilot.contract.codes import ErrorCode
from pilot.control.checks.base import Situation, Verdict
from pilot.control.credentials import Credential
from pilot.job import Problem


def look(situation: Situation, gone: Optional[bool]) -> Verdict:
    """Warn of what is about to expire. A proxy that is not there at two looks in a row ends the job.

    Without a proxy no output can be stored. A token is asked for by the server alone, which says for itself what
    it refuses (`LEASE_LOST` in the end); so it is only warned of.
    """
    found, now = situation.readings.credential, situation.readings.now
    problem = _lost(found, now)
    if problem is not None:
        if gone:
            return Verdict(problem, memory=True)
        return Verdict(memory=True, warning=f"{problem.detail}; the job is ended if it is so at the next look")
    soon = now + situation.credential_left
    about = [
        f"{ErrorCode.PROXY_ABOUT_TO_EXPIRE.name}: the {name} lives {max(0.0, end - now):.0f} s"
        for name, end in (("proxy", found.certificate_end), ("token", found.token_end))
        if end is not None and end < soon
    ]
    return Verdict(memory=False, warning="; ".join((*about, *((found.renewal,) if found.renewal else ()))))


def _lost(found: Credential, now: float) -> Optional[Problem]:
    if found.problem is not None:
        return found.problem
    if found.certificate_end is not None and found.certificate_end <= now:
        words = f"the proxy has expired {now - found.certificate_end:.0f} s ago"
        return Problem(ErrorCode.CERTIFICATE_EXPIRED, words)
    return None
