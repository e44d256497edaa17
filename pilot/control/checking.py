"""Looks at running jobs: takes the readings that the checks need, asks the checks, and does what they find."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from pilot.control.checks.base import FOLDER, TREE, Check, Readings, Situation, Verdict
from pilot.control.checks.catalogue import CHECKS
from pilot.control.checks.readings import Means, Reader
from pilot.control.checks.standstill import Clocks, compare
from pilot.control.lanes import Tell, problem_of
from pilot.control.lifecycle import Event
from pilot.control.news import Key, Look, Measured, Order
from pilot.errors import JobFailed, PilotError
from pilot.job import Phase, Problem, Usage
from pilot.plugins import call
from pilot.runtime import workdir
from pilot.runtime.processes import ZOMBIE, describe

if TYPE_CHECKING:
    import pluggy

log = logging.getLogger(__name__)

#: What a check, or a reading for it, that has a fault may raise. None of it ends a job.
FAULTS = (OSError, PilotError, ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
#: What cannot be read of payloads that run on other nodes: there are no processes of theirs here, and no pilot walks
#: through hundreds of folders.
UNSEEN_FROM_AFAR = frozenset({TREE, FOLDER})
#: The name under which the plugins' own checks are counted.
PLUGINS = "monitor_checks"
#: So many looks after the last one, a job has ended and is forgotten.
FORGOTTEN = 10
#: Of so many processes of a looping payload the log tells what they are doing.
MOST_DESCRIBED = 20


@dataclass
class Watch:
    """What is kept of one job from look to look. Times are on the clock that runs while the machine does."""

    reader: Reader
    looked: Clocks
    paused: float = 0.0
    due: dict[str, float] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)
    ended: bool = False


class Checking:
    """``base`` is the folder of the jobs' directories. Belongs to one thread."""

    def __init__(
        self,
        tell: Tell,
        plugins: pluggy.PluginManager,
        base: Path,
        means: Means,
        checks: Sequence[Check] = CHECKS,
    ) -> None:
        self._tell, self._plugins, self._base, self._means = tell, plugins, base, means
        unseen = UNSEEN_FROM_AFAR if means.settings.gathers else frozenset[str]()
        checks = [check for check in checks if not check.needs & unseen]
        # Who thinks about what was lent to him writes nothing.
        self._checks = [check for check in checks if check.name != "looping" or not means.settings.job.lends]
        self._watches: dict[Key, Watch] = {}

    def look(self, item: Look) -> None:
        """Look at a job once."""
        place = workdir.of(self._base, item.job.spec)
        if not place.root.is_dir():
            return
        now = self._means.clocks()
        watch = self._watches.get(item.job.key) or self._begin(item, place, now)
        if watch.ended:
            return
        readings = self._standstill(watch, now)
        checks = [check for check in self._checks if self._is_due(check, watch, item.job.phase, now.running)]
        readings = self._read(watch, item, checks, readings)
        if item.job.phase is Phase.RUNNING and (usage := watch.reader.usage()) is not None:
            self._tell(Measured(item.job.key, usage))
        watch.paused += readings.standstill.paused
        self._judge(watch, item, checks, readings, now.running - watch.paused)
        self._forget(watch.looked.running)  # of the look before, since this one may be late, and the others' too
        watch.looked = now

    def _begin(self, item: Look, place: workdir.Workdir, now: Clocks) -> Watch:
        quiet: list[str] = []
        try:
            for answer in call(self._plugins, "quiet_files", spec=item.job.spec):
                quiet.extend(answer)
        except PilotError as failed:
            log.warning("job %d.%d: %s", *item.job.key, failed)
        reader = Reader(self._means, item.job, item.site.queue, place, quiet)
        self._watches[item.job.key] = Watch(reader, now)
        return self._watches[item.job.key]

    def _standstill(self, watch: Watch, now: Clocks) -> Readings:
        settings = self._means.settings.monitor
        found = compare(watch.looked, now, settings.checks, settings.standstill)
        return Readings(now=self._means.now(), standstill=found)

    def _is_due(self, check: Check, watch: Watch, phase: Phase, now: float) -> bool:
        settings = self._means.settings
        if phase not in check.phases or self._is_off(watch, check.name):
            return False
        # Looks are a little late or early; one that is half a period from its time is meant.
        if now < watch.due.get(check.name, now) - settings.monitor.checks / 2:
            return False
        watch.due[check.name] = now + check.period(settings)
        return True

    def _is_off(self, watch: Watch, name: str) -> bool:
        return watch.broken.get(name, 0) >= self._means.settings.monitor.breakages

    def _read(self, watch: Watch, item: Look, checks: list[Check], readings: Readings) -> Readings:
        """Take what the checks need; those whose reading cannot be had do not look."""
        wanted = frozenset[str]().union(*(check.needs for check in checks))
        found: dict[str, Any] = {}
        for need in watch.reader.needs:
            if need in wanted:
                try:
                    found.update(watch.reader.read(need, item.job))
                except FAULTS as wrong:
                    for check in [check for check in checks if need in check.needs]:
                        checks.remove(check)
                        self._broke(watch, item, check.name, wrong)
        found["spent_before"] = found.get("spent_before", 0.0) + self._used_by_others(watch)
        return Readings(**{**vars(readings), **found})

    def _used_by_others(self, watch: Watch) -> float:
        """Answer the processor time of other jobs' payloads that run; that of those that ended is the pilot's own."""
        running = (one for key, one in self._watches.items() if one is not watch and self._means.root_of(key))
        return sum(one.reader.cpu_time for one in running)

    def _judge(self, watch: Watch, item: Look, checks: list[Check], readings: Readings, clock: float) -> None:
        settings = self._means.settings
        situation = Situation(settings.monitor, item.job, item.site.queue, readings, clock, settings.credentials.left)
        for check in checks:
            try:
                verdict = check.look(situation, watch.memory.get(check.name))
            except FAULTS as wrong:
                self._broke(watch, item, check.name, wrong)
                continue
            watch.memory[check.name] = verdict.memory
            if self._obey(watch, item, check.name, verdict, readings):
                return
        if item.job.phase is Phase.RUNNING and not self._is_off(watch, PLUGINS):
            self._ask_plugins(watch, item, watch.reader.usage() or Usage())

    def _obey(self, watch: Watch, item: Look, name: str, verdict: Verdict, readings: Readings) -> bool:
        """Do what a check asks for; True when that ends the job."""
        if verdict.warning:
            log.warning("job %d.%d: %s: %s", *item.job.key, name, verdict.warning)
        if verdict.stacks:
            for words in self._stacks(readings):
                log.warning("job %d.%d: %s", *item.job.key, words)
        if verdict.problem is None:
            return False
        self._end(watch, item, verdict.problem, everything=verdict.everything)
        return True

    def _end(self, watch: Watch, item: Look, problem: Problem, *, everything: bool = False) -> None:
        watch.ended = True
        key, event = (None, Event.DEADLINE) if everything else (item.job.key, Event.CHECK)
        self._tell(Order(key, event, problem))

    def _stacks(self, readings: Readings) -> Iterator[str]:
        if readings.sample is not None:
            alive = [one for one in readings.sample.tree.processes if one.state not in ZOMBIE]
            yield from (describe(one.pid) for one in alive[:MOST_DESCRIBED])

    def _ask_plugins(self, watch: Watch, item: Look, usage: Usage) -> None:
        place = workdir.of(self._base, item.job.spec)
        try:
            found: Optional[Problem] = call(self._plugins, PLUGINS, spec=item.job.spec, workdir=place.root, usage=usage)
        except JobFailed as failed:  # a plugin's way to say what it has found
            found = problem_of(failed)
        except PilotError as wrong:
            return self._broke(watch, item, PLUGINS, wrong)
        if found is not None:
            self._end(watch, item, found)
        return None

    def _broke(self, watch: Watch, item: Look, name: str, wrong: BaseException) -> None:
        """Note that a check could not look. It ends no job; after some times it is left alone."""
        watch.broken[name] = watch.broken.get(name, 0) + 1
        tail = ", and is switched off for this job" if self._is_off(watch, name) else ""
        words = f"{type(wrong).__name__}: {wrong}"
        log.warning("job %d.%d: the check %s broke%s: %s", *item.job.key, name, tail, words)

    def _forget(self, now: float) -> None:
        oldest = now - FORGOTTEN * self._means.settings.monitor.checks
        for key in [key for key, watch in self._watches.items() if watch.looked.running < oldest]:
            del self._watches[key]
