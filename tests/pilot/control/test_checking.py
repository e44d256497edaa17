"""When which check looks, with which readings, and what becomes of what it finds; with checks made for it."""

from __future__ import annotations

import os

import pytest

from pilot.contract.codes import ErrorCode
from pilot.control.checks import readings
from pilot.control.checks.base import DISK, FOLDER, GOOD, RUNNING, TREE, WORKING, Check, Verdict
from pilot.control.checks.catalogue import CHECKS
from pilot.control.lifecycle import Event
from pilot.control.news import Order
from pilot.errors import JobFailed
from pilot.hookspecs import hookimpl
from pilot.job import Phase, Problem, Usage
from pilot.runtime.folder import STRIDE
from pilot.runtime.processes import Root
from pilot.settings import Settings
from pilot.settings.sections import Job
from tests.pilot.control.looking import Looking

PROBLEM = Problem(ErrorCode.PAYLOAD_LOOPING, "found")


class Seeing:
    """A check that notes what it was given, and answers what it is told to."""

    def __init__(self, *answers):
        self.answers, self.seen = list(answers), []

    def look(self, situation, before):
        self.seen.append((situation, before))
        answer = self.answers.pop(0) if self.answers else GOOD
        if isinstance(answer, Exception):
            raise answer
        return answer

    def check(self, name="seeing", period=0.0, phases=RUNNING, needs=()):
        return Check(name, lambda settings: period, self.look, phases, frozenset(needs))


@pytest.mark.parametrize(("need", "looks"), [(TREE, 0), (FOLDER, 0), (DISK, 1)])
def test_of_gathered_payloads_only_what_can_be_seen_from_afar_is_looked_at(bench, need, looks):
    seeing = Seeing()
    looking = Looking(bench, bench.spec(), checks=[seeing.check(needs=(need,))], job=Job(workflow="hpc"))
    looking.look()
    assert len(seeing.seen) == looks


def test_a_finding_ends_the_job(bench):
    looking = Looking(bench, bench.spec(), checks=[Seeing(Verdict(PROBLEM)).check()])
    looking.look()
    assert looking.orders == [Order((7, 1), Event.CHECK, PROBLEM)]


def test_nothing_looks_at_a_job_that_is_being_ended(bench):
    other = Seeing()
    looking = Looking(bench, bench.spec(), checks=[Seeing(Verdict(PROBLEM)).check(), other.check("other")])
    looking.look()
    looking.look()
    assert len(looking.orders) == 1
    assert other.seen == []


def test_what_concerns_the_slot_ends_every_job(bench):
    looking = Looking(bench, bench.spec(), checks=[Seeing(Verdict(PROBLEM, everything=True)).check()])
    looking.look()
    assert looking.orders == [Order(None, Event.DEADLINE, PROBLEM)]


def test_a_warning_is_told_with_the_checks_name(bench, caplog):
    looking = Looking(bench, bench.spec(), checks=[Seeing(Verdict(warning="soon")).check("noses")])
    looking.look()
    assert "job 7.1: noses: soon" in caplog.text
    assert looking.orders == []


def test_a_check_is_given_what_it_remembered(bench):
    check = Seeing(Verdict(memory="first"))
    looking = Looking(bench, bench.spec(), checks=[check.check()])
    looking.look()
    looking.look()
    assert [before for _, before in check.seen] == [None, "first"]


@pytest.mark.parametrize(("period", "times"), [(0.0, 10), (60.0, 10), (61.0, 10), (120.0, 5), (300.0, 2), (1e6, 1)])
def test_each_check_keeps_its_own_period_at_the_looks_there_are(bench, period, times):
    check = Seeing()
    looking = Looking(bench, bench.spec(), checks=[check.check(period=period)])
    for late in (0.0, 0.5, -0.5, 1.0, 0.0, 0.0, -1.0, 0.0, 0.5, 0.0):
        looking.look(60.0 + late)
    assert len(check.seen) == times


def test_a_check_looks_in_its_phases_only(bench):
    running, working = Seeing(), Seeing()
    looking = Looking(bench, bench.spec(), checks=[running.check("r"), working.check("w", phases=WORKING)])
    for phase in Phase:
        looking.look(phase=phase)
    assert (len(running.seen), len(working.seen)) == (1, 3)


def test_a_job_without_a_directory_is_not_looked_at(bench):
    check = Seeing()
    looking = Looking(bench, bench.spec(), checks=[check.check()])
    looking.place.joinpath("tmp").rmdir()
    looking.place.rmdir()
    looking.look()
    assert check.seen == []


def test_readings_are_taken_once_per_look_for_all_checks_and_only_those_that_one_needs(bench):
    first, second = Seeing(), Seeing()
    checks = [first.check("a", needs=[FOLDER]), second.check("b", needs=[FOLDER, TREE])]
    looking = Looking(bench, bench.spec(), checks=checks)
    looking.look()
    one, other = first.seen[0][0].readings, second.seen[0][0].readings
    assert one is other
    assert one.folder is not None
    assert one.free_disk is None


@pytest.mark.parametrize(
    "fault", [ValueError("x"), KeyError("x"), OSError("x"), TypeError("x"), JobFailed(ErrorCode.MKDIR, "x")]
)
def test_a_check_that_breaks_ends_no_job_and_is_switched_off_after_some_times(bench, caplog, fault):
    broken, other = Seeing(*[fault] * 9), Seeing()
    looking = Looking(bench, bench.spec(), checks=[broken.check("noses"), other.check("other")])
    for _ in range(5):
        looking.look()
    assert (len(broken.seen), len(other.seen)) == (3, 5)
    assert looking.orders == []
    assert "job 7.1: the check noses broke" in caplog.text
    assert "switched off for this job" in caplog.text


def test_a_reading_that_cannot_be_taken_silences_its_checks_alone(bench, caplog):
    broken, other = Seeing(), Seeing()
    checks = [broken.check("noses", needs=["mounts"]), other.check("other", needs=[DISK])]

    def fail(paths, seconds):
        raise OSError("no more processes")

    looking = Looking(bench, bench.spec(), checks=checks, monitor={"mounts": ("/",)}, answers=fail)
    looking.look()
    assert (len(broken.seen), len(other.seen)) == (0, 1)
    assert "the check noses broke: OSError: no more processes" in caplog.text


def test_what_a_payload_uses_is_told_at_each_look_while_it_runs(bench):
    bench.make(bench.spec())
    looking = Looking(bench, bench.spec(), Root(os.getppid()), checks=[Seeing().check(needs=[TREE, FOLDER])])
    for phase in (Phase.STAGING_IN, Phase.RUNNING, Phase.RUNNING, Phase.STAGING_OUT):
        looking.look(phase=phase)
    assert len(looking.measured) == 2
    assert looking.measured[-1].peak.rss > 10**6
    assert looking.measured[-1].workdir > 0


def test_time_in_which_the_pilot_was_stopped_is_told_and_does_not_pass_for_the_checks(bench):
    check = Seeing()
    looking = Looking(bench, bench.spec(), checks=[check.check()])
    for after in (60.0, 7260.0, 60.0):
        looking.look(after)
    assert [seen.readings.standstill.paused for seen, _ in check.seen] == [0.0, 7200.0, 0.0]
    first, second, third = (seen.clock for seen, _ in check.seen)
    assert (second - first, third - second) == (60.0, 60.0)


def test_a_job_that_is_no_longer_looked_at_is_forgotten(bench):
    other = bench.spec(id=8)
    looking = Looking(bench, bench.spec(), checks=[])
    bench.make(other)
    looking.look()
    looking.spec = other
    for _ in range(12):
        looking.look()
    assert set(looking.checking._watches) == {(8, 1)}


def test_no_job_is_forgotten_because_the_pilot_was_stopped(bench):
    check, one, other = Seeing(*(Verdict(memory=number) for number in range(4))), bench.spec(), bench.spec(id=8)
    looking = Looking(bench, one, checks=[check.check()])
    bench.make(other)
    for after, spec in ((60.0, one), (0.0, other), (7200.0, other), (0.0, one)):
        looking.spec = spec
        looking.look(after)
    assert [before for _, before in check.seen] == [None, None, 1, 0]


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.STAGING_OUT])
def test_what_a_payload_has_made_is_stored_though_the_disk_is_full_and_its_software_gone(bench, phase):
    full = {"free_disk": 10**18, "workdir_size": 1}
    looking = Looking(bench, bench.spec(), monitor=full, answers=lambda paths, seconds: dict.fromkeys(paths, "gone"))
    (looking.place / "payload.root").write_bytes(b"x" * 10**6)
    looking.look(phase=phase)
    looking.look(600.0, phase=phase)
    assert bool(looking.orders) is (phase is Phase.RUNNING)


def test_the_names_of_checks_are_their_own_and_their_needs_are_known(bench):
    from pilot.control.checks.readings import Reader

    looking = Looking(bench, bench.spec())
    looking.look()
    (watch,) = looking.checking._watches.values()
    assert isinstance(watch.reader, Reader)
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    assert frozenset().union(*(check.needs for check in CHECKS)) <= set(watch.reader.needs)
    assert all(check.period(Settings()) >= 0 for check in CHECKS)


class Plugin:
    def __init__(self, answer):
        self.answer, self.asked = answer, []

    @hookimpl
    def monitor_checks(self, spec, workdir, usage):
        self.asked.append((spec.id, workdir.name, usage))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("answer", [PROBLEM, JobFailed(PROBLEM.code, PROBLEM.detail)])
def test_a_plugin_may_end_a_running_job(bench, answer):
    plugin = Plugin(answer)
    bench.plugins.register(plugin)
    looking = Looking(bench, bench.spec(), checks=[])
    looking.look(phase=Phase.STAGING_IN)
    looking.look()
    looking.look()
    assert plugin.asked == [(7, "PanDA_Pilot-7-1", Usage())]
    assert looking.orders == [Order((7, 1), Event.CHECK, PROBLEM)]


def test_a_plugins_check_that_breaks_is_treated_as_one_of_ours(bench, caplog):
    plugin = Plugin(RuntimeError("boom"))
    bench.plugins.register(plugin)
    looking = Looking(bench, bench.spec(), checks=[])
    for _ in range(5):
        looking.look()
    assert (len(plugin.asked), looking.orders) == (3, [])
    assert "the check monitor_checks broke, and is switched off for this job: PluginFailed" in caplog.text


@pytest.mark.parametrize(("quiet", "stamps"), [([], 1200), (["*.log"], 300)])
def test_a_plugin_names_files_whose_growth_is_no_progress(bench, quiet, stamps):
    class Quieting:
        @hookimpl
        def quiet_files(self, spec):
            return quiet

    bench.plugins.register(Quieting())
    check = Seeing()
    looking = Looking(bench, bench.spec(), checks=[check.check(needs=[FOLDER])])
    for name, moment in (("chatter.log", 900), ("events.root", 300), ("memory_monitor_output.txt", 950)):
        (looking.place / name).write_text("x")
        os.utime(looking.place / name, ns=(0, moment))
    looking.look()
    assert check.seen[0][0].readings.folder.stamps == stamps


def test_a_long_walk_is_gone_on_with_at_the_next_looks_and_tells_how_old_it_is(bench, monkeypatch):
    monkeypatch.setattr(readings, "WALKING", 0.0)
    check = Seeing()
    looking = Looking(bench, bench.spec(), checks=[check.check(needs=[FOLDER])])
    for number in range(2 * STRIDE):
        (looking.place / str(number)).touch()
    for _ in range(5):
        looking.look()
    seen = [situation.readings for situation, _ in check.seen]
    assert [one.folder and one.folder.files >= 2 * STRIDE for one in seen][:3] == [None, None, True]
    assert seen[2].folder_age == 120.0


def test_quiet_files_that_cannot_be_asked_for_are_none(bench, caplog):
    class Broken:
        @hookimpl
        def quiet_files(self, spec):
            raise RuntimeError("boom")

    bench.plugins.register(Broken())
    looking = Looking(bench, bench.spec(), checks=[Seeing().check()])
    looking.look()
    assert looking.orders == []
    assert "boom" in caplog.text


def test_other_jobs_processor_time_counts_for_the_slot(bench):
    check = Seeing()
    looking = Looking(bench, bench.spec(), Root(os.getppid()), checks=[check.check(needs=[TREE])])
    bench.make(bench.spec())
    bench.make(bench.spec(id=8))
    looking.look()
    looking.spec = bench.spec(id=8)
    looking.look()
    first, second = (seen.readings for seen, _ in check.seen)
    assert first.spent_before == 0.0
    assert second.spent_before == first.cpu_time > 0


def test_a_payload_that_has_ended_counts_among_what_the_slot_has_used_and_not_once_more(bench):
    check = Seeing()
    looking = Looking(bench, bench.spec(), Root(os.getppid()), checks=[check.check(needs=[TREE])])
    bench.make(bench.spec())
    bench.make(bench.spec(id=8))
    looking.look()
    looking.spec, looking.root = bench.spec(id=8), None  # its processor time is that of a child that was collected
    looking.look()
    first, second = (seen.readings for seen, _ in check.seen)
    assert first.cpu_time > 0
    assert second.spent_before == 0.0
