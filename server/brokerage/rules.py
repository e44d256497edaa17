"""The rules by which a queue may be given a job or not, one function each, with PanDA's tags for what they refuse.

A rule looks at values only, and always says what was needed and what is there. `RULES` is the order in which they are
told; all are asked, so that a person sees everything that stands in the way at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from server.brokerage.policy import GB, Policy
from server.brokerage.snapshot import FailureRate, JobNeeds, Load, QueueFacts, Snapshot, UserFacts

#: Queues in these states are sent new jobs; ``test`` ones get test jobs only.
TAKES = frozenset({"online", "standby", "test"})
TEST_LABELS = frozenset({"test", "prod_test", "install"})
#: Which labels a queue of a type takes; a type that is not here takes all.
LABELS = {
    "production": frozenset({"managed", "test", "prod_test", "install", "rc_test", "rc_test2"}),
    "analysis": frozenset({"user", "panda", "test", "install"}),
}


@dataclass(frozen=True)
class Finding:
    """What one rule says of a job and a queue.

    ``tag`` names the refusal as PanDA's log does; ``lasting`` ones stay until the job or the queue's description is
    changed, the others may pass. ``words`` names the remedy, or what could not be believed.
    """

    criterion: str
    needed: str
    there: str
    passed: bool = True
    tag: str = ""
    words: str = ""
    lasting: bool = True


@dataclass(frozen=True)
class Case:
    """One job and one queue, and what else is known."""

    job: JobNeeds
    queue: QueueFacts
    snapshot: Snapshot
    policy: Policy

    def believed(self, taken: float) -> bool:
        """Say whether facts that were read at this time are young enough."""
        return self.snapshot.now - taken <= self.policy.oldest_facts

    @property
    def user(self) -> UserFacts:
        """What is known of the job's user, however old: a ban is not forgotten because nobody could read it anew."""
        return self.snapshot.users.facts.get(self.job.user, UserFacts(self.job.user))

    @property
    def load(self) -> Load:
        """How busy the queue is; of facts that are too old, nothing runs and nothing is queued there."""
        loads = self.snapshot.loads
        return loads.facts.get(self.queue.name, Load()) if self.believed(loads.taken) else Load()


Rule = Callable[[Case], Finding]


def _hard(criterion: str, needed: str, there: str, passed: bool, tag: str, words: str) -> Finding:
    """Say what a rule found; a refusal lasts."""
    return Finding(criterion, needed, there) if passed else Finding(criterion, needed, there, False, tag, words)


def _passing(criterion: str, needed: str, there: str, passed: bool, tag: str, words: str) -> Finding:
    """Say what a rule found; a refusal may pass."""
    return replace(_hard(criterion, needed, there, passed, tag, words), lasting=False)


def status(case: Case) -> Finding:
    """A queue that is online or on standby; one under test for test jobs."""
    queue, age = case.queue, case.snapshot.queues.age(case.snapshot.now)
    if not case.believed(case.snapshot.queues.taken):
        words = f"what is known of the queues is {age:.0f} s old and not believed; look whether the database answers"
        return _passing("status", "online", f"{queue.status}, {age:.0f} s ago", False, "-status", words)
    takes = queue.status in TAKES and (queue.status != "test" or case.job.label in TEST_LABELS)
    words = f"set queue {queue.name} online in the admin, or name another queue"
    return _passing("status", "online", queue.status, takes, "-status", words)


def type_of_queue(case: Case) -> Finding:
    """A queue for production takes no job of a user's, and the other way round."""
    label, kind = case.job.label, case.queue.type
    labels = LABELS.get(kind)
    words = (
        f"queues of the type {kind} take {', '.join(sorted(labels or ()))}: change prodSourceLabel or the queue's type"
    )
    return _hard("type", label, kind, labels is None or label in labels, "-type", words)


def cores(case: Case) -> Finding:
    """A slot with the cores that the job uses."""
    needed, there = case.job.cores, case.queue.cores
    words = f"ask for at most {there} cores (coreCount), or raise the queue's corecount"
    return _hard("cores", f"{needed}", f"{there}", needed <= max(1, there), "-cpucore", words)


def memory(case: Case) -> Finding:
    """A slot with the memory that the job asks for."""
    needed, there = case.job.memory, case.queue.memory
    words = f"ask for at most {_gb(there)} (minRamCount), or raise the queue's maxrss"
    return _hard("memory", _gb(needed), _most(there), not there or needed <= there, "-lowmemory", words)


def least_memory(case: Case) -> Finding:
    """A queue for jobs with much memory is kept for those."""
    needed, least = case.job.memory, case.queue.min_memory
    enough = not least or not needed or needed >= least
    words = f"this queue is kept for jobs of at least {_gb(least)} (minrss); name another queue"
    return _hard("least memory", _gb(needed), f"at least {_gb(least)}", enough, "-highmemory", words)


def disk(case: Case) -> Finding:
    """Room in the work directory for the inputs and what the job writes."""
    needed, there = case.job.disk + case.job.input_size, case.queue.disk
    words = f"ask for less (maxDiskCount) or fewer inputs, or raise the queue's maxwdir above {_gb(needed)}"
    return _hard("disk", _gb(needed), _most(there), not there or needed <= there, "-disk", words)


def input_size(case: Case) -> Finding:
    """Not more inputs than the queue lets a job have."""
    needed, there = case.job.input_size, case.queue.max_input
    words = f"give the job fewer inputs, or raise the queue's maxinputsize above {_gb(needed)}"
    return _hard("input size", _gb(needed), _most(there), not there or needed <= there, "-inputsize", words)


def longest_walltime(case: Case) -> Finding:
    """A slot that lasts as long as the job."""
    needed, there = case.job.walltime, case.queue.max_walltime
    words = f"ask for at most {there} s (maxWalltime), or raise the queue's maxtime"
    enough = not there or needed <= there
    return _hard("wall time", f"{needed} s", f"{there} s" if there else "no limit", enough, "-shortwalltime", words)


def least_walltime(case: Case) -> Finding:
    """A queue for long jobs is kept for those."""
    needed, least = case.job.walltime, case.queue.min_walltime
    enough = not least or not needed or needed >= least
    words = f"this queue is kept for jobs of at least {least} s (mintime); name another queue"
    return _hard("least wall time", f"{needed} s", f"at least {least} s", enough, "-longwalltime", words)


def platform(case: Case) -> Finding:
    """The architecture and system that the program was built for; the queue's entries are regular expressions."""
    wanted, there = case.job.platform, case.queue.platforms
    fits = not wanted or not there or any(_matches(pattern, wanted) for pattern in there)
    words = f"give a cmtConfig that the queue has, or add {wanted} to the queue's cmtconfig"
    return _hard("architecture", wanted or "any", _listed(there), fits, "-regexpcmtconfig", words)


def software(case: Case) -> Finding:
    """The release of the experiment's software."""
    wanted, there = case.job.release, case.queue.releases
    fits = not wanted or not there or wanted in there
    words = f"install {wanted} there and add it to the queue's releases, or give another AtlasRelease"
    return _hard("software", wanted or "any", _listed(there), fits, "-cache", words)


def container(case: Case) -> Finding:
    """A queue that can start containers, for a job that wants one."""
    wanted, there = case.job.container, case.queue.containers
    words = "set the queue's container_type (such as apptainer:pilot), or leave container_name out"
    fits = not wanted or there
    return _hard("container", wanted or "none", "yes" if there else "no", fits, "-container", words)


def country(case: Case) -> Finding:
    """A queue that its country keeps for itself."""
    queue, wanted = case.queue, case.user.country
    fits = not queue.countries or queue.other_countries or wanted in queue.countries
    words = f"it is for jobs of {_listed(queue.countries)} alone; set its allowothercountry, or the user's country"
    there = _listed(queue.countries) + (", and others" if queue.countries and queue.other_countries else "")
    return _hard("country", wanted or "none", there, fits, "-country", words)


def processing(case: Case) -> Finding:
    """A queue that is for some kinds of work; with a ``!`` before its name a processing type is kept out."""
    wanted, there = case.job.processing_type, case.queue.processing
    words = f"the queue's processing types are {_listed(there)} (catchall); give another processingType, or change them"
    fits = _lets_in(there, wanted)
    return _hard("processing type", wanted or "none", _listed(there), fits, "-processing", words)


def _lets_in(there: tuple[str, ...], wanted: str) -> bool:
    kept_out = {name[1:] for name in there if name.startswith("!")}
    let_in = {name for name in there if not name.startswith("!")}
    return wanted not in kept_out and (not let_in or wanted in let_in)


def working_group(case: Case) -> Finding:
    """A queue that is for some working groups; with a ``!`` before its name a group is kept out."""
    wanted, there = case.job.group, case.queue.groups
    fits = _lets_in(there, wanted)
    words = f"the queue's allowedgroups are {_listed(there)}; give another workingGroup, or change them"
    return _hard("working group", wanted or "none", _listed(there), fits, "-workinggroup", words)


def user(case: Case) -> Finding:
    """A user who is not banned, and has not more queued than he may."""
    found, name = case.user, case.job.user or "nobody"
    if found.banned:
        words = f"user {name} is banned: {found.banned}; the admin's page Limits of users lifts it"
        return _hard("user", name, "banned", False, "-banned", words)
    few = not found.max_queued or found.queued < found.max_queued
    words = f"user {name} may have {found.max_queued} jobs queued; submit when some have run"
    return _passing("user", name, f"{found.queued} queued, {_most_jobs(found.max_queued)}", few, "-quota", words)


def pledge(case: Case) -> Finding:
    """Jobs of high priority go to no cores that may be taken back."""
    pledged, running, most = case.queue.pledged, case.load.running_cores, case.policy.unpledged_priority
    needed, fits = f"priority {case.job.priority}", case.job.priority < most
    if pledged < 0:
        words = f"the queue's cores are borrowed (pledgedcpu -1), and jobs from priority {most} on go to pledged ones"
        return _hard("pledge", needed, "borrowed", fits, "-non_pledged", words)
    if not over_pledged(case):
        there = f"{running} of {pledged} pledged cores run" if pledged else "pledged"
        return Finding("pledge", needed, there)
    words = f"{running} cores run there, more than are pledged; jobs from priority {most} on wait until fewer do"
    return _passing("pledge", needed, f"{running} of {pledged} pledged cores run", fits, "-over_pledged", words)


def over_pledged(case: Case) -> bool:
    """Say whether a queue runs on all the cores that it has pledged, so that the next ones are borrowed."""
    return 0 < case.queue.pledged <= case.load.running_cores


def pilots(case: Case) -> Finding:
    """A queue whose pilots come while jobs wait for them."""
    window, now, load = case.policy.pilot_window, case.snapshot.now, case.load
    needed = f"one within {window / 3600:.3g} h, while jobs wait"
    if case.queue.without_pilots:
        return Finding("pilots", needed, "not needed (allow_no_pilot)")
    there = f"heard {now - load.heard:.0f} s ago" if load.heard else "none was heard"
    waits = f", jobs wait since {now - load.waits_since:.0f} s" if load.waits_since else ", none is waited for"
    missing = 0 < load.waits_since < now - window and load.heard < now - window and load.queued >= case.policy.probes
    words = f"see why no pilot of {case.queue.name} comes; jobs are sent there again when one is heard"
    return _passing("pilots", needed, there + waits, not missing, "-nopilot", words)


def backlog(case: Case) -> Finding:
    """Storages that are not drowned in transfers; the tag says what most of these are."""
    limit = max(case.queue.transferring_limit or case.policy.transferring_limit, 2 * case.load.running)
    if not case.believed(case.snapshot.backlogs.taken):
        return Finding("transfers", f"at most {limit}", "unknown", words="what is known is too old; the weight says so")
    jobs, files = case.load.transferring, waiting_transfers(case)
    there, tag = f"{jobs} of jobs, {files} at its storages", "-network" if files > jobs else "-transferring"
    words = "wait until its transfers are done, or raise the queue's transferringlimit"
    return _passing("transfers", f"at most {limit}", there, jobs + files <= limit, tag, words)


def waiting_transfers(case: Case) -> int:
    """Count the transfers that the queue's storages have before them."""
    storages = {*case.queue.storages, case.queue.output_storage} - {""}
    return sum(case.snapshot.backlogs.facts.get(name, 0) for name in storages)


def black_hole(case: Case) -> Finding:
    """A queue whose jobs do not all fail."""
    limit = case.policy.failure_limit
    needed = f"at most {limit:.0%} failed"
    if not case.believed(case.snapshot.failures.taken):
        return Finding("failures", needed, "unknown", words="what is known is too old; the weight says so")
    rate = case.snapshot.failures.facts.get(case.queue.name, FailureRate())
    there = f"{rate.failed} of {rate.ended} failed"
    if rate.ended < case.policy.failures_known:
        return Finding("failures", needed, f"{there}: too few to judge by")
    words = f"see why its jobs fail; it is tried again when {case.policy.failure_window:.0f} s have passed"
    return _passing("failures", needed, there, rate.share <= limit, "-closed", words)


#: In the order in which they are told.
RULES: tuple[Rule, ...] = (
    *(status, type_of_queue, cores, memory, least_memory, disk, input_size, longest_walltime, least_walltime),
    *(platform, software, container, processing, country, working_group, user, pledge, pilots, backlog, black_hole),
)


def inputs_fit(job: JobNeeds, size: int, queue: QueueFacts) -> bool:
    """Say whether `disk` and `input_size`, which alone look at inputs, let a job with so many bytes of them pass."""
    fits = not queue.max_input or size <= queue.max_input
    return fits and (not queue.disk or job.disk + size <= queue.disk)


def _gb(size: int) -> str:
    return f"{size / GB:.4g} GB"


def _most(size: int) -> str:
    return _gb(size) if size else "no limit"


def _most_jobs(number: int) -> str:
    return f"at most {number}" if number else "no limit"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "any"


def _matches(pattern: str, text: str) -> bool:
    """Match as a regular expression; one that cannot be read is a plain name."""
    try:
        return re.fullmatch(pattern, text) is not None
    except re.error:
        return pattern == text
