from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from pilot.api.communicator import Communicator, Report
from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.contract.job_wire import from_panda, to_panda
from pilot.contract.messages import StoredFile, UpdateAnswer
from pilot.control import news
from pilot.control.adoption import Plan, adoption
from pilot.control.commands import Commands
from pilot.control.ends import End
from pilot.control.journal import Record
from pilot.control.ledger import Ahead, Amount
from pilot.control.lifecycle import Effect, Event
from pilot.control.recovery import FOLDER, JOURNAL, Recovery, Sites
from pilot.control.reports import Facts
from pilot.control.settling import SETTLING, UNSEEN
from pilot.control.times import PATIENCE
from pilot.job import Memory, PayloadOutcome, Phase, Problem, Usage
from pilot.settings import Queue, Settings
from tests.pilot.control.simulation import SERVER, SITE, Crash, Crowd, World

KILL = Problem(ErrorCode.KILLED_BY_SERVER, "killed")


@pytest.mark.parametrize("seed", range(200))
def test_whatever_goes_wrong_a_job_gets_one_final_report_and_the_conductor_ends_once(seed, tmp_path):
    world = World(seed, tmp_path / "journal", at_once=2)
    world.run()
    reached = {key for key, phases in world.phases.items() if phases[-1] in (Phase.DONE, Phase.FAILED)}
    for key, texts in world.taken.items():
        assert len(set(texts)) == 1, "the same words each time"
        assert json.loads(texts[0])["job_id"] == key[0]
    kept = {(record.id, record.attempt) for record in world.journal.records()}
    assert reached <= set(world.taken)
    assert reached | kept == set(world.phases), "ended, or left to the next pilot"
    assert not reached & kept
    assert world.ends == 1


@pytest.mark.parametrize("seed", range(100))
def test_whatever_crosses_each_of_several_jobs_has_one_end_and_nothing_is_begun_after_it(seed, tmp_path):
    ahead = Ahead(seed % 4, 10**9)
    crowd = Crowd(seed, tmp_path / "journal", jobs=8, at_once=(2, 4, 8)[seed % 3], cores=(4, 8)[seed % 2], ahead=ahead)
    crowd.run()
    kept = {(record.id, record.attempt) for record in crowd.journal.records()}
    for key in crowd.given:
        assert (Effect.CLEAN in crowd.done[key]) != (key in kept), "ended, or left to the next pilot"
        assert len(set(crowd.taken.get(key, ()))) == (1 if key in crowd.taken else 0), "the same words each time"
        assert key in crowd.taken or key in kept
    assert crowd.conductor.means.ledger.opening((), crowd.now).cores == crowd.cores, "all is given back"
    assert crowd.ends == 1


@pytest.mark.parametrize("seed", range(40))
def test_of_jobs_whose_inputs_are_brought_ahead_each_has_one_end_too(seed, tmp_path):
    crowd = Crowd(seed, tmp_path / "journal", jobs=8, at_once=1, cores=0, ahead=Ahead(1 + seed % 3, 10**9))
    crowd.run()
    kept = {(record.id, record.attempt) for record in crowd.journal.records()}
    for key in crowd.given:
        assert (Effect.CLEAN in crowd.done[key]) != (key in kept), "ended, or left to the next pilot"
        assert len(set(crowd.taken.get(key, ()))) == (1 if key in crowd.taken else 0), "the same words each time"
    running = [key for key in crowd.given if Phase.RUNNING in crowd.phases[key]]
    order = [key for key in crowd.given if Effect.RUN_PAYLOAD in crowd.done[key]]
    assert set(running) == set(order)


class TakesAll:
    """A server that takes every report; speaks as the real one."""

    def __init__(self, taken):
        self.taken, self.name = taken, SERVER.name

    compose = staticmethod(SERVER.compose)

    def queue_data(self, name, source):
        assert name == "Q"
        return SITE.queue

    def storages(self, source):
        return SITE.storages

    def report(self, report: Report) -> UpdateAnswer:
        update = json.loads(report.text)
        if update["job_status"] in ("finished", "failed"):
            self.taken.setdefault((update["job_id"], update["attempt_nr"]), []).append(report.text)
        return UpdateAnswer()


def recover(base, server: Communicator, seed: int) -> None:
    """Be the next pilot: settle what can be settled, and bring the jobs that are taken over to their end."""
    own = base / f"{FOLDER}{seed}"
    own.mkdir()
    world = World(seed, own / JOURNAL, jobs=0)
    sites = Sites(server, Queue(name="Q"))
    Recovery(base, own, sites, Facts(), Settings().recovery, world.inbox.put, lambda: 1e9).settle_all()
    world.run()
    for key, texts in world.taken.items():
        server.taken.setdefault(key, []).extend(texts)


@pytest.mark.parametrize("crash_after", range(60))
def test_wherever_a_pilot_dies_each_job_has_one_final_result(crash_after, tmp_path):
    folder = tmp_path / f"{FOLDER}dead"
    folder.mkdir()
    world = World(crash_after, folder / JOURNAL, jobs=2, at_once=2, crash_after=crash_after)
    with contextlib.suppress(Crash):
        world.run()
    recover(tmp_path, TakesAll(world.taken), 100)
    assert set(world.taken) == set(world.phases) | set(world.conductor.jobs)
    for texts in world.taken.values():
        assert len(set(texts)) == 1
    recover(tmp_path, TakesAll(again := {}), 101)
    assert again == {}, "nothing is left for a second pilot"


class Scene:
    """One job, step by step."""

    def __init__(self, tmp_path, **more):
        self.world = World(0, tmp_path / "journal", jobs=0, **more)
        self.conductor, self.work = self.world.conductor, self.world.work

    def offer(self, *specs, **more):
        request = next(item.request_id for item in self.work if isinstance(item, news.Ask))
        self.work.clear()
        self.conductor.handle(news.Offer(request, SITE, tuple(specs), **more))

    def settled(self):
        """Let everything be seen to that dead pilots have left."""
        while not self.world.inbox.empty():
            self.conductor.handle(self.world.inbox.get())

    def job(self, id=1):
        return self.conductor.jobs[id, 1].job

    def answer(self, event, problem=None, id=1):
        self.conductor.handle(news.Answer((id, 1), self.job(id).step, event, problem))

    def effects(self):
        done = [item.effect for item in self.work if isinstance(item, news.Work)]
        self.work.clear()
        return done


def spec(id=1, **more):
    return JobSpec(id=id, attempt=1, transformation="true", **more)


@pytest.fixture
def scene(tmp_path):
    made = Scene(tmp_path)
    made.conductor.begin()
    return made


@pytest.fixture
def running(scene):
    scene.offer(spec())
    scene.answer(Event.INPUT_READY)
    scene.work.clear()
    return scene


def test_work_is_asked_for_at_once_and_only_as_much_as_there_is_room_for(tmp_path):
    scene = Scene(tmp_path, at_once=3)
    scene.conductor.begin()
    assert [item.opening.jobs for item in scene.work] == [3]


def test_a_request_is_in_the_journal_before_it_is_sent(scene):
    asked = scene.work[0].request_id
    assert scene.world.journal.open_request(SERVER.name, "Q") == asked
    scene.offer(spec())
    assert scene.world.journal.open_request(SERVER.name, "Q") is None


def test_a_late_answer_is_dropped(running):
    running.conductor.handle(news.Answer((1, 1), 0, Event.INPUT_READY))
    assert running.job().phase is Phase.RUNNING
    assert running.effects() == []


def test_how_a_stopped_payload_ended_is_told_though_its_answer_is_late(running):
    step = running.job().step
    running.conductor.handle(news.Order((1, 1), Event.KILL, KILL))
    outcome = PayloadOutcome(None, 15, Path(), Path(), Path(), cpu_time=7.0)
    running.conductor.handle(news.Answer((1, 1), step, Event.FAIL, outcome=outcome, metrics={"nEvents": 3}))
    assert (running.job().phase, running.job().outcome, running.job().metrics) == (
        Phase.STOPPING,
        outcome,
        {"nEvents": 3},
    )


def logged(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "pilot.control.conductor"]


def test_the_pilots_log_says_how_a_payload_ended_and_why_its_job_failed(running, caplog):
    caplog.set_level("INFO")
    problem = Problem(ErrorCode.PAYLOAD_FAILED, "no beam", 1237)
    outcome = PayloadOutcome(3, None, Path(), Path(), Path(), wall_time=7.25, cpu_time=5.0)
    running.conductor.handle(news.Answer((1, 1), running.job().step, Event.FAIL, problem, outcome=outcome))
    running.answer(Event.GONE)
    running.answer(Event.FAIL, Problem(ErrorCode.STAGE_OUT_FAILED, "no room for the log"))
    assert logged(caplog) == [
        "job 1.1: the payload ended with status 3 after 7.2 s, 5.0 s of processor time",
        "job 1.1: PAYLOAD_FAILED (1305, the payload's 1237): no beam",
        "job 1.1: stopping (fail)",
        "job 1.1: staging-log (gone)",
        "job 1.1: STAGE_OUT_FAILED (1137): no room for the log",
        "job 1.1: reporting (fail)",
    ]


def test_the_pilots_log_says_why_a_job_was_ended_and_nothing_of_answers_that_come_late(running, caplog):
    caplog.set_level("INFO")
    step = running.job().step
    running.conductor.handle(news.Order((1, 1), Event.KILL, KILL))
    running.conductor.handle(news.Answer((1, 1), step, Event.OVERDUE))
    assert logged(caplog) == ["job 1.1: KILLED_BY_SERVER (1144): killed", "job 1.1: stopping (kill)"]


def test_an_answer_for_a_job_that_is_gone_is_dropped(running):
    running.conductor.handle(news.Answer((9, 1), 0, Event.INPUT_READY))
    assert set(running.conductor.jobs) == {(1, 1)}


def test_an_order_reaches_a_job_whatever_its_step(running):
    running.conductor.handle(news.Order((1, 1), Event.KILL, KILL))
    assert running.effects() == [Effect.STOP_PAYLOAD]
    assert running.job().problem == KILL


def test_an_order_without_a_job_reaches_all_and_nothing_more_is_asked_for(tmp_path):
    scene = Scene(tmp_path, at_once=2)
    scene.conductor.begin()
    scene.offer(spec(1), spec(2))
    scene.work.clear()
    scene.conductor.handle(news.Order(None, Event.DEADLINE, KILL))
    assert scene.effects() == [Effect.CANCEL_COPIES, Effect.CANCEL_COPIES]
    assert scene.conductor.intake.asking.over


def test_an_illegal_event_fails_its_job_with_its_story_and_nothing_else(running):
    running.answer(Event.OUTPUT_STORED)
    problem = running.job().problem
    assert problem.code is ErrorCode.INTERNAL_ERROR
    assert "begin:staging-in > input ready:running" in problem.detail
    assert running.effects() == [Effect.STOP_PAYLOAD]


def test_a_job_with_a_broken_definition_is_reported_failed_with_the_words(scene):
    scene.offer(broken=(SimpleNamespace(id=1, attempt=1, words="coreCount: 'x' is not a whole number"),))
    assert scene.effects() == [Effect.STAGE_LOG]
    scene.answer(Event.LOG_STORED)
    report = json.loads(scene.work[0].report.text)
    assert (report["job_status"], report["pilot_error_code"]) == ("failed", ErrorCode.BAD_JOB_DEFINITION)
    assert "coreCount" in report["pilot_error_diag"]


def test_a_job_that_comes_after_the_stop_is_reported_and_not_begun(scene):
    scene.conductor.handle(news.Shutdown(Problem(ErrorCode.SIGTERM, "ended"), 60))
    scene.offer(spec())
    assert scene.effects() == [Effect.STAGE_LOG]
    assert scene.job().problem.code is ErrorCode.SIGTERM


def test_jobs_wait_for_cores_and_begin_in_their_order(tmp_path):
    scene = Scene(tmp_path, at_once=3, total=Amount(cores=4))
    scene.conductor.begin()
    scene.offer(spec(1, cores=3), spec(2, cores=4))
    assert (scene.job(1).phase, scene.job(2).phase) == (Phase.STAGING_IN, Phase.ACCEPTED)
    for event in (Event.FAIL, Event.GONE, Event.LOG_STORED, Event.TAKEN):
        scene.answer(event, KILL)
    assert scene.job(2).phase is Phase.STAGING_IN


def test_the_payloads_time_is_what_the_job_asks_for(scene):
    scene.offer(spec(max_walltime=100))
    scene.answer(Event.INPUT_READY)
    scene.world.now = 100.5
    scene.world.let_time_pass()
    assert scene.job().problem.code is ErrorCode.REACHED_MAX_TIME


def test_what_does_not_come_to_rest_is_left_behind_in_time(running):
    running.conductor.handle(news.Order((1, 1), Event.KILL, KILL))
    running.world.now += 10 + PATIENCE + 1
    running.work.clear()
    running.world.work.append(None)  # so that time passes by itself only
    running.world.let_time_pass()
    assert running.job().phase is Phase.STAGING_LOG


@pytest.mark.parametrize(("event", "more"), [(Event.GONE, True), (Event.FAIL, False), (Event.OVERDUE, False)])
def test_no_more_work_is_taken_when_something_did_not_come_to_rest(running, event, more):
    running.conductor.handle(news.Order((1, 1), Event.KILL, KILL))
    for one in (event, Event.LOG_STORED, Event.TAKEN):
        running.answer(one, Problem(ErrorCode.DEADLINE_PASSED, "it hangs") if one is Event.FAIL else None)
    running.settled()
    assert any(isinstance(item, news.Ask) for item in running.work) is more
    assert running.world.ends == (not more)


def test_a_heartbeat_goes_through_the_monitor_and_carries_progress(running):
    running.world.now = 1801.0
    running.world.work.append(None)
    running.world.let_time_pass()
    looks = {item.matter for item in running.work if isinstance(item, news.Look)}
    assert looks == {news.Matter.HEARTBEAT, news.Matter.CHECK}
    running.work.clear()
    running.conductor.handle(news.Progress((1, 1), 5, None))
    assert running.work[0].report.progress == "5/?"
    assert json.loads(running.work[0].report.text)["job_status"] == "running"


def test_what_the_checks_have_measured_rides_in_the_next_reports_and_in_the_last_one(running):
    running.conductor.handle(news.Measured((1, 1), Usage(peak=Memory(pss=2048 * 1024))))
    running.conductor.handle(news.Measured((9, 9), Usage()))  # of a job that is gone
    running.conductor.handle(news.Progress((1, 1)))
    assert json.loads(running.work[0].report.text)["max_pss"] == 2048
    running.answer(Event.PAYLOAD_OK)
    running.answer(Event.OUTPUT_STORED)
    running.answer(Event.LOG_STORED)
    assert json.loads(running.work[-1].report.text)["max_pss"] == 2048


def test_a_job_whose_reports_nobody_takes_is_given_up(running):
    running.conductor.jobs[1, 1].heard = -20000.0
    running.conductor.handle(news.Due(news.Matter.CHECK, (1, 1)))
    running.world.now += 71.0
    running.conductor.handle(news.Due(news.Matter.CHECK, (1, 1)))
    assert running.job().problem.code is ErrorCode.LEASE_LOST


def test_a_pilot_that_was_stopped_for_long_reports_before_it_gives_its_job_up(running):
    running.world.now += 20000.0
    running.work.clear()
    for _ in range(2):
        running.conductor.handle(news.Due(news.Matter.CHECK, (1, 1)))
    reports = [item for item in running.work if isinstance(item, news.Work)]
    assert [item.effect for item in reports] == [Effect.REPORT]
    running.conductor.handle(news.Heard((1, 1)))
    running.world.now += 71.0
    running.conductor.handle(news.Due(news.Matter.CHECK, (1, 1)))
    assert running.job().problem is None


def test_a_report_that_was_taken_keeps_the_lease(running):
    running.conductor.jobs[1, 1].heard = -20000.0
    running.conductor.handle(news.Heard((1, 1)))
    running.conductor.handle(news.Due(news.Matter.HEARTBEAT, (1, 1)))
    assert running.job().problem is None


def test_stored_files_are_in_the_journal_at_once_and_in_the_final_report(running):
    running.answer(Event.PAYLOAD_OK)
    file = StoredFile("out", 3, "adler32:00000001", "G", "file:///x/out", "S")
    running.conductor.handle(news.Stored((1, 1), file))
    assert next(running.world.journal.records()).stored == (file,)
    running.answer(Event.OUTPUT_STORED)
    running.work.clear()
    running.answer(Event.LOG_STORED)
    assert "out" in json.loads(json.loads(running.work[0].report.text)["job_output_report"])


def test_the_journal_says_on_which_node_a_payload_runs(running):
    running.answer(Event.PAYLOAD_OK)
    assert next(running.world.journal.records()).node == "here"


def test_the_final_report_is_in_the_journal_before_it_is_sent(running):
    for event in (Event.PAYLOAD_OK, Event.OUTPUT_STORED):
        running.answer(event)
    running.work.clear()
    running.answer(Event.LOG_STORED)
    assert next(running.world.journal.records()).final == running.work[0].report.text


def reporting(scene):
    for event in (Event.PAYLOAD_OK, Event.OUTPUT_STORED, Event.LOG_STORED):
        scene.answer(event)
    return scene.conductor.jobs[1, 1].final


def test_a_final_report_is_repeated_word_by_word_after_growing_waits(running):
    text, waits = reporting(running), []
    for _ in range(4):
        running.work.clear()
        running.answer(Event.NOT_TAKEN, KILL)
        again = news.Answer((1, 1), running.job().step, Event.OVERDUE)
        waits.append(min(at for at, _, item in running.conductor._timers._heap if item == again) - running.world.now)
        running.world.now += waits[-1]
        running.world.let_time_pass()
        assert [item.report.text for item in running.work if isinstance(item, news.Work)] == [text]
    assert waits == sorted(waits)
    assert waits[-1] > waits[0]


def test_a_final_report_that_is_never_taken_stays_on_the_disk(running):
    reporting(running)
    running.answer(Event.NOT_TAKEN, Problem(ErrorCode.COMMUNICATION_FAILURE, "nobody there"))
    running.conductor.handle(news.Due(news.Matter.GIVE_UP, (1, 1)))
    assert not running.conductor.jobs
    assert [record.id for record in running.world.journal.records()] == [1]
    assert [problem.code for problem in running.conductor.problems] == [ErrorCode.COMMUNICATION_FAILURE]


def test_a_job_whose_report_was_taken_leaves_nothing_in_the_journal(running):
    reporting(running)
    running.answer(Event.TAKEN)
    assert list(running.world.journal.records()) == []
    assert running.conductor.finished == 1


def test_a_second_stop_shortens_what_is_left(running):
    running.conductor.handle(news.Shutdown(KILL, 60))
    running.conductor.handle(news.Shutdown(KILL, 5))
    running.world.now += 2.5
    running.world.work.append(None)
    running.world.let_time_pass()
    assert running.job().phase is Phase.STAGING_LOG


def test_a_journal_that_cannot_be_written_fails_the_job_and_says_so(running):
    running.world.journal.folder.joinpath("1-1.json").unlink()
    running.world.journal.folder.rmdir()
    running.answer(Event.PAYLOAD_OK)
    running.world.let_time_pass()
    assert running.job().problem.code is ErrorCode.JOURNAL_UNUSABLE


def test_a_pilot_that_cannot_write_down_a_request_does_not_ask(tmp_path):
    scene = Scene(tmp_path)
    scene.world.journal.folder.rmdir()
    scene.conductor.begin()
    assert scene.work == []
    scene.settled()
    assert scene.world.ends == 1
    assert scene.conductor.problems[0].code is ErrorCode.JOURNAL_UNUSABLE


def test_a_fault_of_the_conductor_fails_the_job_it_happened_to(running):
    running.conductor.broke(news.Progress((1, 1)), RuntimeError("boom"))
    assert running.job().problem.code is ErrorCode.INTERNAL_ERROR


def test_an_answer_with_jobs_that_breaks_the_conductor_is_not_waited_for_for_ever(scene):
    request = next(item.request_id for item in scene.work if isinstance(item, news.Ask))
    offer = news.Offer(request, SITE, (spec(arguments=(7,)),))
    with pytest.raises(TypeError) as caught:
        scene.conductor.handle(offer)
    scene.conductor.broke(offer, caught.value)
    scene.settled()
    assert scene.world.ends == 1
    assert [problem.code for problem in scene.conductor.problems] == [ErrorCode.INTERNAL_ERROR]
    assert scene.world.journal.open_request(SERVER.name, "Q") is None


def test_a_job_that_is_offered_twice_is_run_once(tmp_path):
    scene = Scene(tmp_path, at_once=2)
    scene.conductor.begin()
    scene.offer(spec(1))
    request = scene.conductor.intake._asked
    scene.work.clear()
    scene.conductor.handle(news.Offer(request, SITE, (spec(1),)))
    assert scene.effects() == []


def test_a_request_whose_answer_was_lost_is_asked_again_by_the_same_name(scene):
    asked = scene.work.pop().request_id
    scene.conductor.handle(news.NoOffer(Problem(ErrorCode.COMMUNICATION_FAILURE, "no answer")))
    scene.world.now += 1000
    scene.world.let_time_pass()
    assert [item.request_id for item in scene.work] == [asked]
    scene.offer(spec())
    for event in (Event.FAIL, Event.GONE, Event.LOG_STORED, Event.TAKEN):
        scene.answer(event, KILL)
    assert [item.request_id for item in scene.work if isinstance(item, news.Ask)] not in ([asked], [])


def test_a_request_that_was_refused_is_not_left_to_the_next_pilot(scene):
    scene.conductor.handle(news.NoOffer(Problem(ErrorCode.QUEUEDATA, "no such queue"), fatal=True))
    assert scene.world.journal.open_request(SERVER.name, "Q") is None
    scene.settled()
    assert scene.world.ends == 1


def test_the_request_of_a_dead_pilot_is_asked_again_first(tmp_path):
    scene = Scene(tmp_path)
    scene.conductor.intake._open_request = "old"
    scene.conductor.begin()
    assert scene.work[0].request_id == "old"


def test_the_payload_begins_at_once_when_the_inputs_are_there_however_long_they_took(scene):
    """Stock pilots look every ten seconds whether stage-in is over."""
    scene.offer(spec())
    scene.world.now += 12.3
    scene.work.clear()
    scene.answer(Event.INPUT_READY)
    assert scene.effects() == [Effect.REPORT, Effect.RUN_PAYLOAD]


def test_a_job_that_has_failed_does_not_run_its_payload(scene):
    """Stock pilots of some experiments run it all the same."""
    scene.offer(spec())
    step = scene.job().step
    scene.answer(Event.FAIL, KILL)
    scene.work.clear()
    scene.conductor.handle(news.Answer((1, 1), step, Event.INPUT_READY))
    for event in (Event.GONE, Event.LOG_STORED, Event.TAKEN):
        scene.answer(event)
    assert Effect.RUN_PAYLOAD not in scene.effects()


def test_a_payload_that_does_not_end_when_it_is_asked_softly_is_stopped(running):
    running.conductor.handle(news.Order((1, 1), Event.SOFT_KILL, KILL))
    (ask,) = running.work
    assert (ask.effect, ask.seconds) == (Effect.ASK_PAYLOAD, 120.0)
    running.work[:] = [None]  # so that time passes by itself only
    running.world.now += 120 + PATIENCE - 1
    running.world.let_time_pass()
    assert running.job().phase is Phase.RUNNING
    running.world.now += 1
    running.world.let_time_pass()
    assert (running.job().phase, running.job().problem) == (Phase.STOPPING, KILL)


def test_ranges_of_events_that_run_may_end_and_are_not_stopped_because_the_job_was_asked_softly(scene):
    scene.offer(spec(events=True))
    scene.answer(Event.INPUT_READY)
    scene.work.clear()
    scene.conductor.handle(news.Order((1, 1), Event.SOFT_KILL, KILL))
    assert scene.work[0].effect is Effect.ASK_PAYLOAD
    scene.work[:] = [None]  # so that time passes by itself only
    scene.world.now += 120 + PATIENCE
    scene.world.let_time_pass()
    assert (scene.job().phase, scene.job().problem) == (Phase.RUNNING, None)


def test_what_was_asked_to_be_seen_is_reported_at_once(running):
    running.conductor.handle(news.Commanded((1, 1), Commands(show=(("ls",),))))
    (look,) = running.work
    assert (look.matter, look.argv) == (news.Matter.SHOW, ("ls",))
    running.work.clear()
    running.conductor.handle(news.Shown((1, 1), "payload.stdout", ("ls", "a b")))
    report = running.work[0].report
    assert json.loads(report.text)["stdout"] == "payload.stdout"
    assert report.shown == "ls 'a b'"


def test_a_command_for_a_job_that_is_gone_does_nothing(running):
    running.conductor.handle(news.Commanded((9, 1), Commands(debug=True)))
    running.conductor.handle(news.Shown((9, 1), "words"))
    assert running.work == []


def test_a_directory_that_is_to_be_kept_is_not_removed_with_its_job(running):
    reporting(running)
    running.conductor.handle(news.Commanded((1, 1), Commands(keep=True)))
    running.work.clear()
    running.answer(Event.TAKEN)
    assert [(item.effect, item.keep) for item in running.work if isinstance(item, news.Work)] == [(Effect.CLEAN, True)]


def test_the_next_request_is_for_the_task_of_the_last_job_and_the_one_after_it_for_any(tmp_path):
    scene = Scene(tmp_path, same_task=True)
    scene.conductor.begin()
    scene.offer(spec(task_id=12))
    scene.answer(Event.INPUT_READY)
    reporting(scene)
    scene.answer(Event.TAKEN)
    assert [item.task_id for item in scene.work if isinstance(item, news.Ask)] == [12]
    scene.offer()
    assert [item.task_id for item in scene.work if isinstance(item, news.Ask)] == [None]


def test_places_are_filled_one_by_one_with_what_fits_the_cores_that_are_left(tmp_path):
    scene = Scene(tmp_path, at_once=3, total=Amount(cores=8), time_floor=0)
    scene.conductor.begin()
    openings = [item.opening for item in scene.work if isinstance(item, news.Ask)]
    for number, cores in ((1, 5), (2, 1), (3, 2)):
        scene.offer(spec(number, cores=cores))
        openings += [item.opening for item in scene.work if isinstance(item, news.Ask)]
    assert [(opening.jobs, opening.cores) for opening in openings] == [(1, 8), (1, 3), (1, 2)]


def test_when_a_job_has_left_its_room_is_offered_at_once_though_there_was_nothing_for_the_rest(tmp_path):
    scene = Scene(tmp_path, at_once=3, total=Amount(cores=4), requests=1)
    scene.conductor.begin()
    scene.offer(spec(1, cores=3))
    scene.offer()
    assert [item for item in scene.work if isinstance(item, news.Ask)] == []
    assert not scene.conductor.intake.asking.over
    for event in (Event.FAIL, Event.GONE, Event.LOG_STORED, Event.TAKEN):
        scene.answer(event, KILL)
    assert [item.opening.cores for item in scene.work if isinstance(item, news.Ask)] == [4]
    scene.work[:] = [item for item in scene.work if isinstance(item, news.Ask)]
    scene.world.now += 1000  # the time that was waited for before
    scene.world.work.append(None)
    scene.world.let_time_pass()
    assert len([item for item in scene.work if isinstance(item, news.Ask)]) == 1, "one request at a time"


def test_an_empty_answer_to_what_was_offered_before_a_job_left_does_not_end_the_asking(tmp_path):
    scene = Scene(tmp_path, at_once=2, total=Amount(cores=4), requests=1)
    scene.conductor.begin()
    scene.offer(spec(1, cores=3))
    asks = [item for item in scene.work if isinstance(item, news.Ask)]
    for event in (Event.FAIL, Event.GONE, Event.LOG_STORED, Event.TAKEN):
        scene.answer(event, KILL)
    scene.work[:] = asks
    scene.offer()
    assert [item.opening.cores for item in scene.work if isinstance(item, news.Ask)] == [4]
    scene.offer()
    assert scene.conductor.intake.asking.over


@pytest.mark.parametrize("dies_after", range(1, 8))
def test_of_several_jobs_in_one_answer_none_is_lost_wherever_the_pilot_dies(dies_after, tmp_path):
    folder = tmp_path / f"{FOLDER}dead"
    folder.mkdir()
    scene = Scene(folder, at_once=3)
    scene.conductor.begin()
    journal, count = scene.world.journal, 0
    replace_file = journal._replace

    def dying(path, content, durable):
        nonlocal count
        count += 1
        if count > dies_after:
            raise Crash
        replace_file(path, content, durable)

    journal._replace = dying
    request = scene.work[0].request_id
    with contextlib.suppress(Crash):
        scene.offer(spec(1), spec(2), spec(3))
    recover(tmp_path, TakesAll(taken := {}), 100)
    assert set(taken) == {(1, 1), (2, 1), (3, 1)}
    assert journal.open_request(SERVER.name, "Q") is None, "nobody asks again for what was settled"
    assert request not in {record.request_id for record in journal.records()}


def test_when_the_slots_end_has_come_everything_is_over_by_then_and_has_its_code(tmp_path):
    end = End(1000.0, Problem(ErrorCode.LEASE_TIME, "the lease of the slot of 1000 s is over"))
    scene = Scene(tmp_path, end=end, work_until=820.0)
    scene.conductor.begin()
    scene.offer(spec())
    scene.answer(Event.INPUT_READY)
    scene.work[:] = [None]
    scene.world.now = 820.0
    scene.world.let_time_pass()
    assert (scene.job().phase, scene.job().problem.code) == (Phase.STOPPING, ErrorCode.LEASE_TIME)
    assert scene.conductor.intake.asking.over
    while scene.conductor.jobs and scene.world.now < 1100:
        scene.world.now += 1
        scene.world.let_time_pass()
    assert not scene.conductor.jobs
    assert scene.world.now <= 1003


@pytest.mark.parametrize("key", [None, (1, 1)])
def test_a_job_that_comes_after_all_were_ended_is_not_begun(key, tmp_path):
    scene = Scene(tmp_path, at_once=2)
    scene.conductor.begin()
    asked = scene.work[0]
    scene.conductor.handle(news.Order(key, Event.CHECK, Problem(ErrorCode.NO_LOCAL_SPACE, "full")))
    scene.work[:] = [asked]
    scene.offer(spec())
    assert scene.effects()[0] is (Effect.STAGE_LOG if key is None else Effect.REPORT)


class Waited(Exception):
    """The conductor waits, for so many seconds."""


def test_an_idle_pilot_wakes_for_the_next_time_set_and_for_nothing_else(running):
    class Inbox:
        def get(self, timeout):
            raise Waited(timeout)

    running.world.now = 40.0
    running.world.let_time_pass()  # what the start has set is over
    running.conductor.inbox = Inbox()
    with pytest.raises(Waited) as waited:
        running.conductor.take()
    assert waited.value.args == (pytest.approx(60.0 - running.world.now),), "until the first check"


# Jobs of dead pilots


def a_record(phase="staging-out", **more):
    told = json.dumps(to_panda(spec(9, cores=64)))
    return Record(9, 1, SERVER.name, "OTHER", phase, 1e9, "r9", told, **{"stored": (STORED,), **more})


STORED = StoredFile("out", 3, "adler32:00000001")


@pytest.fixture
def adopting(running):
    """A pilot that runs one job on its one core, and has taken over another one."""
    running.conductor.handle(adoption(a_record(), Path("own"), SITE, Plan(Event.PAYLOAD_OK)))
    return running


def test_a_dead_pilots_job_goes_on_where_it_stood_without_a_place_of_its_own(adopting):
    assert adopting.job(9).phase is Phase.STAGING_OUT
    assert adopting.effects() == [Effect.STAGE_OUT]
    (record,) = (record for record in adopting.world.journal.records() if record.id == 9)
    assert (record.queue, record.started, record.request_id, record.stored) == ("OTHER", 1e9, "r9", (STORED,))
    assert from_panda(json.loads(record.spec)) == spec(9, cores=64)
    adopting.answer(Event.OUTPUT_STORED, id=9)
    adopting.answer(Event.LOG_STORED, id=9)
    (report,) = (item.report.text for item in adopting.work if item.effect is Effect.FINAL_REPORT)
    assert (json.loads(report)["site_name"], json.loads(report)["job_status"]) == ("OTHER", "finished")


def test_a_dead_pilots_failure_is_none_of_ours(running):
    lost = Problem(ErrorCode.PILOT_LOST, "its pilot died")
    running.conductor.handle(adoption(a_record("running"), Path("own"), SITE, Plan(Event.FAIL, lost)))
    for event in (Event.LOG_STORED, Event.TAKEN):
        running.answer(event, id=9)
    assert (9, 1) not in running.conductor.jobs
    assert running.conductor.problems == []


@pytest.mark.parametrize("matter", ["shutdown", "deadline"])
def test_a_dead_pilots_outputs_are_left_to_the_next_pilot_when_this_one_has_to_go(adopting, matter):
    adopting.work.clear()
    if matter == "shutdown":
        adopting.conductor.handle(news.Shutdown(KILL, 60.0))
    else:
        adopting.conductor.handle(news.Order(None, Event.DEADLINE, KILL))
    cancels = [item for item in adopting.work if item.effect is Effect.CANCEL_COPIES and item.job.key == (9, 1)]
    assert [item.job.step for item in cancels] == [2], "later than the copies"
    assert (9, 1) not in adopting.conductor.jobs
    assert [record.phase for record in adopting.world.journal.records() if record.id == 9] == ["staging-out"]


@pytest.mark.parametrize("handed_over", [True, False])
def test_outputs_are_left_to_other_pilots_where_the_site_names_a_folder_for_them(running, handed_over):
    running.answer(Event.PAYLOAD_OK)
    running.conductor.means = running.conductor.means._replace(handed_over=handed_over)
    running.conductor.handle(news.Shutdown(KILL, 60.0))
    assert ((1, 1) in running.conductor.jobs) is not handed_over
    assert [record.phase for record in running.world.journal.records()] == [
        "staging-out" if handed_over else "stopping"
    ]
    assert running.conductor.problems == ([KILL] if handed_over else [])


def test_a_dead_pilots_job_that_the_server_wants_ended_is_ended(adopting):
    adopting.conductor.handle(news.Order((9, 1), Event.KILL, KILL))
    assert adopting.job(9).phase is Phase.STOPPING


def test_a_pilot_that_has_to_go_takes_no_job_over(running):
    running.conductor.handle(news.Shutdown(KILL, 60.0))
    running.conductor.handle(adoption(a_record(), Path("own"), SITE, Plan(Event.PAYLOAD_OK)))
    assert (9, 1) not in running.conductor.jobs


@pytest.mark.parametrize(("left", "later", "again"), [(0, 0.0, False), (2, 0.0, True), (0, UNSEEN + 1, True)])
def test_what_dead_pilots_have_left_is_looked_for_once_more_before_the_end_if_that_may_help(scene, left, later, again):
    scene.world.inbox.get_nowait()
    scene.conductor.handle(news.Settled(left))
    scene.world.now += later
    scene.conductor.handle(news.NoOffer(KILL, fatal=True))
    assert scene.world.ends == (not again)
    if again:
        scene.world.inbox.get_nowait()
        scene.conductor.handle(news.Settled(left))
    assert scene.world.ends == 1
    assert scene.world.inbox.empty()


def test_after_each_job_that_was_taken_over_others_are_looked_for(scene):
    scene.conductor.handle(adoption(a_record(), Path("own"), SITE, Plan(Event.LOG_STORED)))
    scene.settled()
    scene.conductor.handle(news.NoOffer(KILL, fatal=True))
    scene.answer(Event.TAKEN, id=9)
    assert scene.world.ends == 0
    scene.settled()
    assert (scene.world.ends, scene.conductor.finished) == (1, 1)


def test_a_pilot_that_has_to_go_does_not_wait_for_what_dead_ones_have_left(scene):
    scene.conductor.handle(news.Shutdown(KILL, 60.0))
    scene.conductor.handle(news.NoOffer(KILL))
    assert scene.world.ends == 1


def test_a_search_for_dead_pilots_that_hangs_holds_nobody_up_for_ever(scene):
    scene.world.inbox.get_nowait()
    scene.conductor.handle(news.NoOffer(KILL, fatal=True))
    scene.world.now += SETTLING + 1
    while (due := scene.conductor._timers.due(scene.world.now)) is not None:
        scene.conductor.handle(due)
    scene.settled()
    assert scene.world.ends == 1


def test_a_file_that_is_told_twice_is_reported_once(running):
    for size in (3, 4):
        running.conductor.handle(news.Stored((1, 1), replace(STORED, size=size)))
    assert [file.size for file in running.job().stored] == [4]
