from __future__ import annotations

import queue
from types import SimpleNamespace

import pytest

from pilot.api.communicator import Communicator
from pilot.api.replies import Unreachable
from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.contract.messages import JobUpdate
from pilot.contract.queue import QueueData
from pilot.contract.states import JobState
from pilot.control.commands import Commands
from pilot.control.component import Budget
from pilot.control.job import Asker, JobControl, Wanted
from pilot.control.lifecycle import Effect, Event
from pilot.control.news import Ask, Commanded, Heard, NoOffer, Offer, Opening, Site, Work
from pilot.control.reports import Facts
from pilot.errors import JobFailed
from pilot.job import Job
from pilot.settings import Queue, Server
from tests.pilot.dispatcher import QUEUE, queue_data, serving

UPDATE = "/api/v1/pilot/update_job"


@pytest.fixture
def dispatcher(tmp_path):
    with serving(tmp_path) as found:
        yield found


def wanted(**more):
    return Wanted(Queue(name=QUEUE, label="user", **more), Facts("node"), 1.0, 2**30, lambda: 2**40, lambda: 99.6)


@pytest.fixture
def bench(dispatcher):
    told, now = [], [0.0]
    server = Communicator(Server(url=dispatcher.url, connect_timeout=1.0, read_timeout=2.0))
    control = JobControl(told.append, server, wanted(), lambda: now[0])
    return SimpleNamespace(told=told, control=control, server=server, dispatcher=dispatcher, now=now)


def test_an_offer_brings_jobs_and_what_the_queue_is(bench):
    bench.dispatcher.jobs = [JobSpec(id=7, attempt=1, transformation="x")]
    bench.control.ask(Ask("r1"))
    (offer,) = bench.told
    assert isinstance(offer, Offer)
    assert (offer.jobs[0].id, offer.request_id, offer.site.queue.name) == (7, "r1", QUEUE)
    assert offer.site.storages["STORE"]


def test_the_queue_is_described_again_only_when_that_is_old(bench):
    for now in (0.0, 100.0, 20000.0):
        bench.now[0] = now
        bench.control.ask(Ask(f"r{now}"))
    assert bench.dispatcher.counts["/cache/ddmendpoints.json"] == 2


@pytest.mark.parametrize(
    ("queue", "code"),
    [({"state": "INACTIVE"}, ErrorCode.QUEUE_NOT_ACTIVE), ({"status": "offline"}, ErrorCode.QUEUE_NOT_ONLINE)],
)
def test_a_queue_where_pilots_are_not_wanted_is_not_asked_again(bench, queue, code):
    bench.dispatcher.queue = queue_data(**queue)
    bench.control.ask(Ask("r1"))
    (answer,) = bench.told
    assert isinstance(answer, NoOffer)
    assert (answer.problem.code, answer.fatal) == (code, True)


@pytest.mark.parametrize(("code", "fatal"), [(ErrorCode.RESOURCE_UNAVAILABLE, False), (ErrorCode.NO_PROXY, True)])
def test_a_node_that_has_much_to_do_may_ask_later_and_one_that_may_not_ask_never(bench, code, fatal):
    def refuse():
        raise JobFailed(code, "not now")

    JobControl(bench.told.append, bench.server, wanted()._replace(check=refuse)).ask(Ask("r1"))
    (answer,) = bench.told
    assert (answer.problem.code, answer.fatal) == (code, fatal)
    assert bench.dispatcher.asked == []


@pytest.mark.parametrize(
    ("answer", "code", "fatal"),
    [
        ((500, b""), ErrorCode.COMMUNICATION_FAILURE, False),
        ((200, b"garbage"), ErrorCode.BAD_ANSWER, False),
        ((401, b""), ErrorCode.IDENTITY_REFUSED, False),
        ((400, b""), ErrorCode.SERVER_REFUSED, True),
        ((404, b""), ErrorCode.QUEUEDATA, True),
    ],
)
def test_why_there_is_no_work_is_told_with_whether_asking_again_may_help(bench, answer, code, fatal):
    bench.dispatcher.misbehave = lambda path, count: answer
    bench.control.ask(Ask("r1"))
    (told,) = bench.told
    assert (told.problem.code, told.fatal) == (code, fatal)


def test_a_request_says_what_there_is(bench):
    site = QueueData(QUEUE, max_workdir=2**30)
    request = wanted(working_group="w").request(site, Ask("r1", Opening(3), 12))
    assert (request.count, request.memory, request.disk, request.remaining_time) == (3, 1024, 1024, 100)
    assert (request.label, request.working_group, request.task_id, request.cores) == ("user", "w", 12, None)
    assert wanted().request(QueueData(QUEUE, status="test"), Ask("r1")).label == "test"
    assert wanted().request(QueueData(QUEUE), Ask("r1")).disk == 2**20


def test_a_request_offers_what_is_free_for_as_long_as_it_is(bench):
    free = Opening(1, cores=3, memory=2**29, disk=2**28, seconds=70.4)
    request = wanted().request(QueueData(QUEUE), Ask("r1", free))
    assert (request.cores, request.memory, request.disk, request.remaining_time) == (3, 512, 256, 70)


def test_a_fault_while_asking_is_told(bench):
    asker = Asker(queue.Queue(), Budget(1), bench.told.append, bench.control)
    asker.handle(Ask("r1"))
    asker.broke(Ask("r1"), RuntimeError("boom"))
    assert bench.told[-1].problem.code is ErrorCode.INTERNAL_ERROR


def work(bench, effect, state):
    update = JobUpdate(job_id=7, attempt=1, state=state)
    job = Job(JobSpec(id=7, attempt=1, transformation="x"), step=4)
    return Work(job, effect, Site(QueueData(QUEUE)), report=bench.server.compose(update))


def test_a_report_that_was_taken_is_heard_and_its_command_obeyed(bench):
    bench.control.report(work(bench, Effect.REPORT, JobState.RUNNING))
    bench.dispatcher.commands[7] = "tobekilled"
    bench.control.report(work(bench, Effect.REPORT, JobState.RUNNING))
    assert bench.told[:2] == [Heard((7, 1)), Heard((7, 1))]
    assert (bench.told[2].event, bench.told[2].problem.code) == (Event.KILL, ErrorCode.KILLED_BY_SERVER)


def test_a_report_that_was_not_taken_and_is_not_final_is_let_go(bench):
    bench.dispatcher.misbehave = lambda path, count: (500, b"")
    bench.control.report(work(bench, Effect.REPORT, JobState.RUNNING))
    assert bench.told == []


@pytest.mark.parametrize(
    ("answer", "event"),
    [(None, Event.TAKEN), ((500, b""), Event.NOT_TAKEN), ((200, b"x"), Event.NOT_TAKEN), ((400, b""), Event.REFUSED)],
)
def test_a_final_report_is_answered_for(bench, answer, event):
    bench.dispatcher.misbehave = lambda path, count: answer
    bench.control.report(work(bench, Effect.FINAL_REPORT, JobState.FINISHED))
    (told,) = bench.told
    assert (told.event, told.step) == (event, 4)
    assert (told.problem is None) == (event is Event.TAKEN)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("debug", Commanded((7, 1), Commands(debug=True))),
        ("debugoff", Commanded((7, 1), Commands(debug=False))),
        ("nocleanup", Commanded((7, 1), Commands(keep=True))),
        ("tail payload.stdout,ps", Commanded((7, 1), Commands(show=(("tail", "payload.stdout"), ("ps",))))),
    ],
)
def test_a_command_is_passed_on_for_the_attempt_whose_report_it_answers(bench, command, told):
    bench.dispatcher.commands[7] = command
    bench.control.report(work(bench, Effect.REPORT, JobState.RUNNING))
    assert bench.told == [Heard((7, 1)), told]


def test_a_soft_kill_is_an_order_of_its_own(bench):
    bench.dispatcher.commands[7] = "softkill"
    bench.control.report(work(bench, Effect.REPORT, JobState.RUNNING))
    order = bench.told[1]
    assert (order.key, order.event, order.problem.code) == ((7, 1), Event.SOFT_KILL, ErrorCode.KILLED_BY_SERVER)


@pytest.mark.parametrize("attempt", [0, 2])
def test_a_command_for_another_attempt_is_not_obeyed_and_stands_in_the_log(bench, attempt, caplog):
    bench.dispatcher.commands[7] = "tobekilled"
    bench.dispatcher.attempts[7] = attempt
    bench.control.report(work(bench, Effect.REPORT, JobState.RUNNING))
    assert bench.told == [Heard((7, 1))]
    assert f"job 7.1: 'tobekilled' is for attempt {attempt}, not this one" in caplog.text
    bench.dispatcher.attempts[7] = 1
    bench.control.report(work(bench, Effect.REPORT, JobState.RUNNING))
    assert bench.told[-1].event is Event.KILL


def test_a_word_that_is_no_command_stands_in_the_log(bench, caplog):
    bench.dispatcher.commands[7] = "badattemptnr"
    bench.control.report(work(bench, Effect.REPORT, JobState.RUNNING))
    assert bench.told == [Heard((7, 1))]
    assert "'badattemptnr' is no command" in caplog.text


def test_a_directory_can_be_kept_by_the_answer_to_the_final_report_and_nothing_else_be_ordered(bench):
    bench.dispatcher.commands[7] = "nocleanup,tobekilled,debug"
    bench.control.report(work(bench, Effect.FINAL_REPORT, JobState.FAILED))
    assert bench.told[0] == Commanded((7, 1), Commands(keep=True))
    assert [told.event for told in bench.told[1:]] == [Event.TAKEN]


def test_what_the_server_takes_of_a_job_that_goes_on_only_is_told_before_its_end(bench):
    told = []

    def tell(spec):
        told.append(spec.id)
        if len(told) == 1:
            raise Unreachable("away")

    control = JobControl(bench.told.append, bench.server, wanted(), before=tell)
    report = bench.server.compose(JobUpdate(job_id=7, state=JobState.FAILED, attempt=1), None)
    work = Work(Job(JobSpec(7, 1, "x")), Effect.FINAL_REPORT, Site(QueueData(QUEUE)), report=report)
    control.report(work)
    assert (bench.told[-1].event, bench.dispatcher.updates) == (Event.NOT_TAKEN, [])
    control.report(work)
    assert (bench.told[-1].event, len(bench.dispatcher.updates)) == (Event.TAKEN, 1)
    assert told == [7, 7]
