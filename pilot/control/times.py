"""How long each thing may take. Pure; from settings, what the queue says, and what the job asks for."""

from __future__ import annotations

from typing import Optional

from pilot.contract.codes import ErrorCode
from pilot.contract.named import NamedTuple
from pilot.contract.queue import QueueData
from pilot.control.lifecycle import Effect
from pilot.job import Job, Phase, Problem
from pilot.settings import Settings

NEVER = float("inf")
#: Who is asked to end by a time ends by it; this many seconds later it is taken to hang.
PATIENCE = 30.0

#: Of the time left when the pilot is to end, the part that a phase may use.
_SHARES = {Phase.STOPPING: 0.4, Phase.STAGING_LOG: 0.6}

_P, _C = Phase, ErrorCode
_LATE = {
    _P.STAGING_IN: (Effect.STAGE_IN, Problem(_C.STAGE_IN_TIMEOUT, "the inputs did not arrive in the time given")),
    _P.STAGING_OUT: (Effect.STAGE_OUT, Problem(_C.STAGE_OUT_TIMEOUT, "the outputs were not stored in the time given")),
    _P.STOPPING: (Effect.STOP_PAYLOAD, Problem(_C.DEADLINE_PASSED, "payload or copies did not end in the time given")),
    _P.STAGING_LOG: (Effect.STAGE_LOG, Problem(_C.LOG_CREATION_TIMEOUT, "the log was not stored in the time given")),
}


class Times(NamedTuple):
    """Seconds for everything."""

    settings: Settings

    def heartbeat(self, *, debug: bool) -> float:
        """Answer the time between two reports."""
        monitor = self.settings.monitor
        return min(monitor.heartbeat, monitor.debug_heartbeat) if debug else monitor.heartbeat

    @property
    def checks(self) -> float:
        """Answer the time between two looks at a job."""
        return self.settings.monitor.checks

    @property
    def lost_after(self) -> float:
        """Answer how long a job goes on when none of its reports is taken."""
        return self.settings.server.lost_after

    @property
    def last_try(self) -> float:
        """Answer how long the report may take that is sent before such a job is given up."""
        server = self.settings.server
        return min(server.connect_timeout + server.read_timeout, server.lost_after)

    @property
    def report_for(self) -> float:
        """Answer how long a final report is offered."""
        return self.settings.server.report_for

    def report_wait(self, tries: int) -> float:
        """Answer the wait before a final report is offered again after so many more tries."""
        server = self.settings.server
        return float(min(server.report_wait * 2.0 ** min(tries, 40), server.report_wait_most))

    def given(self, effect: Effect) -> float:
        """Answer the time that a component is told to keep to."""
        if effect in (Effect.STAGE_IN, Effect.STAGE_OUT):
            return self.settings.copy.most_time
        if effect is Effect.STAGE_LOG:
            return self.settings.copy.log_time
        if effect is Effect.ASK_PAYLOAD:
            return self.settings.payload.soft_grace
        return self.settings.payload.grace

    def overdue(self, job: Job, queue: QueueData) -> Optional[tuple[float, Problem]]:
        """Answer when a job's phase is over in any case, and what that is called; ``None`` when no time is set."""
        if job.phase is Phase.RUNNING and self.settings.job.lends:
            return None  # its user has the whole lease
        if job.phase is Phase.RUNNING:
            if self.settings.gathers:  # it waits for others and for the batch system; its rank knows when it began
                return None
            limit = float(job.spec.max_walltime or queue.max_time) * (queue.grace("pilot_walltime_grace") or 1.0)
            problem = Problem(ErrorCode.REACHED_MAX_TIME, f"the payload ran longer than the {limit:.0f} s it may")
            return (limit, problem) if limit else None
        if job.phase not in _LATE:
            return None
        effect, problem = _LATE[job.phase]
        return self.given(effect) + PATIENCE, problem

    def share(self, phase: Phase) -> float:
        """Answer which part of the time left a phase may use when the pilot is to end."""
        return _SHARES.get(phase, 1.0)
