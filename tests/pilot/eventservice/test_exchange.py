"""The exchange with a real socket, real archives and threads; server, storage and payload are handed in."""

from __future__ import annotations

import queue
import threading
from types import SimpleNamespace

import pytest

from pilot.api.event_client import Events, NotTaken, connect
from pilot.api.replies import Refused, Unreachable
from pilot.contract.codes import ErrorCode
from pilot.contract.events import SOCKET_FILE, EventAnswer, EventRange
from pilot.contract.job import JobSpec
from pilot.copytool.base import Cancel
from pilot.errors import JobFailed
from pilot.eventservice import handing, way
from pilot.eventservice.outputs import facts
from pilot.job import PayloadCommand, PayloadOutcome
from pilot.settings import Settings
from pilot.settings.events import Events as Chosen
from tests.pilot.eventservice.ranges_server import described


class Scene:
    """One job; ``payload`` is called as the payload, in the thread that would wait for it."""

    def __init__(self, folder, count=3):
        self.folder, self.cancelled = folder, Cancel()
        self.ranges = [EventRange.from_wire(described(number)) for number in range(count)]
        self.told, self.stored, self.stopped = [], [], threading.Event()
        self.asks = queue.Queue()
        self.broken = None
        self.left = 10_000.0

    def get_event_ranges(self, job, count, request_id):
        if self.broken:
            raise self.broken
        found, self.ranges = self.ranges[:count], self.ranges[count:]
        return tuple(found)

    def update_events(self, report):
        self.told += [(end.id, end.status.value, end.code) for end in report.ends]
        return EventAnswer(tuple(True for _ in report.ends))

    def stage_out(self, spec, files, folder, deadline, cancel):
        self.stored.append(files[0].lfn)
        checksum = facts(folder / files[0].lfn)[1]
        return (SimpleNamespace(endpoint="OBJECTS", url="file:///o", guid="G", checksum=checksum),)

    def stops_by(self, stop, ask):
        self.end = stop

    def stop(self, grace):
        self.stopped.set()

    def run(self, payload, status=0, **chosen):
        def plain(command, hold):
            self.asks.put(hold(self))
            payload(str(self.folder / SOCKET_FILE))
            out = self.folder / "payload.stdout"
            return PayloadOutcome(None if self.stopped.is_set() else status, None, self.folder, out, out)

        site = SimpleNamespace(
            queue=SimpleNamespace(event_gap=7200, max_time=0), storages={"OBJECTS": SimpleNamespace(id=42)}
        )
        settings = Settings(events=Chosen(**{"ask_wait": 0.01, "store_wait": 0.01, **chosen}))
        around = way.Around(settings, self, lambda *_: self, lambda: self.left)
        command = PayloadCommand(("payload",), {}, self.folder)
        spec = JobSpec(7, 1, "payload", events=True, cores=2)
        ordered = way.Ordered(spec, site, self.folder, command, self.cancelled, self.stops_by, plain)
        return way.run(ordered, around)


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def write(folder, name):
    (folder / name).write_text("x")
    return str(folder / name)


def test_a_payload_gets_every_range_and_nothing_is_left_in_its_directory(scene):
    def payload(address):
        with Events(address) as line:
            for one in line:
                line.done(one["eventRangeID"], write(scene.folder, one["eventRangeID"]))

    found = scene.run(payload)
    assert found.problem is None
    assert [end for _, end, _ in scene.told] == ["finished"] * 3
    assert found.metrics["nEventsW"] == 30
    assert list(scene.folder.iterdir()) == []


def test_what_is_not_this_payloads_to_say_is_refused_and_changes_nothing(scene):
    words = []

    def payload(address):
        with Events(address) as line:
            (one,) = line.next()
            name, path = one["eventRangeID"], write(scene.folder, "out")
            for said in ("1-7-2-99-3", "1-7-2-1-3"):  # nobody has heard of it; nobody was given it
                with pytest.raises(NotTaken) as refused:
                    line.done(said, path)
                words.append(str(refused.value))
            line.done(name, path)
            with pytest.raises(NotTaken) as refused:
                line.failed(name, "after all")
            words.append(str(refused.value))
            (other,) = line.next()
            with pytest.raises(NotTaken) as refused:
                line.done(other["eventRangeID"], path)
            words.append(str(refused.value))

    scene.run(payload)
    assert words == [
        "range 1-7-2-99-3 is none of this job's",
        "range 1-7-2-1-3 is ready, not given to this payload",
        "range 1-7-2-0-3 is done, not given to this payload",
        f"{scene.folder}/out is the output of range 1-7-2-0-3 already",
    ]
    assert {name: end for name, end, _ in scene.told} == {"1-7-2-0-3": "finished", "1-7-2-1-3": "failed"}


def test_a_payload_of_panda_that_expects_no_answers_gets_none(scene):
    heard = []

    def payload(address):
        line = connect(address)
        lines = line.makefile("r")
        for _ in range(4):
            line.sendall(b"Ready for events\n")
            heard.append(lines.readline())
            if heard[-1].startswith("["):
                name = heard[-1].partition('eventRangeID": "')[2].partition('"')[0]
                line.sendall(f"{write(scene.folder, name)},ID:{name},CPU:1,WALL:1\nnonsense\n".encode())
        lines.close()
        line.close()

    scene.run(payload)
    assert [line[:16] for line in heard] == ['[{"eventRangeID"'] * 3 + ["No more events\n"]
    assert len(scene.told) == 3


def test_a_range_is_asked_for_by_whoever_waits_while_the_server_takes_its_time(scene):
    released = threading.Event()
    give = scene.get_event_ranges

    def slowly(job, count, request_id):
        if len(scene.ranges) < 3:
            released.wait(10)
        return give(job, count, request_id)

    scene.get_event_ranges = slowly

    def payload(address):
        with Events(address) as line:
            first = line.next()
            threading.Timer(0.05, released.set).start()
            for one in [*first, *line]:
                line.done(one["eventRangeID"], write(scene.folder, one["eventRangeID"]))

    assert scene.run(payload, at_once=1).problem is None
    assert len(scene.told) == 3


def test_further_ranges_are_asked_for_while_the_payload_works_on_the_last_one(scene):
    asked = threading.Event()
    give = scene.get_event_ranges

    def note(job, count, request_id):
        if len(scene.ranges) < 3:
            asked.set()
        return give(job, count, request_id)

    scene.get_event_ranges = note

    def payload(address):
        with Events(address) as line:
            (one,) = line.next()
            assert asked.wait(10)
            line.done(one["eventRangeID"], write(scene.folder, "out"))

    assert scene.run(payload, at_once=1).problem is None


def test_an_error_that_nobody_knows_ends_the_payload_and_is_raised(scene):
    scene.ranges = scene.ranges[:1]
    give = scene.get_event_ranges
    calls = []

    def break_down(*asked):
        calls.append(asked)
        if len(calls) > 1:
            raise RuntimeError("a fault of ours")
        return give(*asked)

    scene.get_event_ranges = break_down

    def payload(address):
        with Events(address) as line:
            line.next()
            scene.stopped.wait(10)

    with pytest.raises(RuntimeError, match="a fault of ours"):
        scene.run(payload)
    assert scene.stopped.is_set()


def test_a_full_disk_ends_the_payload_with_its_code(small_disk):
    scene = Scene(small_disk, 40)

    def payload(address):
        with Events(address) as line:
            ranges = line.next(40)
        with pytest.raises(OSError, match="space"):
            (small_disk / "full").write_bytes(b"x" * 100_000)
        deaf = connect(address)
        for one in ranges:
            deaf.sendall(f"ERR_X {one['eventRangeID']}: {'w' * 60_000}\n".encode())
        scene.stopped.wait(10)
        deaf.close()

    with pytest.raises(JobFailed) as caught:
        scene.run(payload, at_once=40, failures=1000)
    assert caught.value.code is ErrorCode.JOURNAL_UNUSABLE
    assert scene.stopped.is_set()


def one_output(scene):
    def payload(address):
        with Events(address) as line:
            (one,) = line.next()
            line.done(one["eventRangeID"], write(scene.folder, "out"))

    return payload


def test_a_job_that_has_to_end_does_not_wait_for_a_storage_that_is_away(scene):
    tried = threading.Event()

    def away(*asked):
        tried.set()
        raise JobFailed(ErrorCode.UNREACHABLE_NETWORK, "away")

    scene.stage_out = away

    def end():
        tried.wait(10)
        scene.cancelled.ask()
        scene.end()

    ending = threading.Thread(target=end)
    ending.start()
    found = scene.run(one_output(scene), store_wait=1000.0)
    ending.join()
    assert found.problem is not None
    assert scene.told == []


def test_a_fault_of_ours_is_not_kept_back_by_a_server_that_takes_no_report(scene):
    told = threading.Event()

    def deaf(report):
        told.set()
        raise Unreachable("away")

    def break_down(*asked):
        told.wait(10)
        raise RuntimeError("a fault of ours")

    scene.update_events, give = deaf, scene.get_event_ranges
    scene.ranges = scene.ranges[:1]
    scene.get_event_ranges = lambda *asked: give(*asked) if scene.ranges else break_down()

    def payload(address):
        with Events(address) as line:
            (one,) = line.next()
            line.failed(one["eventRangeID"], "bad luck")
            scene.stopped.wait(10)

    with pytest.raises(RuntimeError, match="a fault of ours"):
        scene.run(payload)


@pytest.mark.parametrize(
    ("left", "broken", "code"),
    [
        (1.0, None, ErrorCode.REACHED_MAX_TIME),
        (10_000.0, Refused("no such job"), ErrorCode.SERVER_REFUSED),
        (10_000.0, None, ErrorCode.ES_NO_EVENTS),
    ],
)
def test_without_a_range_no_payload_is_started_and_the_reason_is_told(tmp_path, left, broken, code):
    scene = Scene(tmp_path, count=0)
    scene.left, scene.broken = left, broken
    with pytest.raises(JobFailed) as caught:
        scene.run(lambda address: pytest.fail("a payload ran"))
    assert caught.value.code is code


def test_a_job_that_was_stopped_before_asks_nothing(scene):
    scene.cancelled.ask()
    with pytest.raises(JobFailed) as caught:
        scene.run(lambda address: pytest.fail("a payload ran"))
    assert caught.value.code is ErrorCode.ORDERED_STOP
    assert len(scene.ranges) == 3


def test_a_payload_that_could_not_be_started_is_told_as_that_and_its_ranges_are_left(scene):
    def fail(address):
        raise JobFailed(ErrorCode.PAYLOAD_NOT_STARTED, "no such program")

    with pytest.raises(JobFailed) as caught:
        scene.run(fail)
    assert caught.value.code is ErrorCode.PAYLOAD_NOT_STARTED
    assert scene.told == []


def test_after_a_soft_word_no_more_is_given_and_who_does_not_end_is_stopped(scene):
    answers = []

    def payload(address):
        with Events(address) as line:
            line.next()
            scene.asks.get()(0.1)
            with Events(address) as other:
                answers.append(other.next())
            scene.stopped.wait(10)

    found = scene.run(payload, at_once=9, soft_grace=0.1)
    assert answers == [[]]
    assert found.problem.code is ErrorCode.ORDERED_STOP
    assert scene.told == [], "what was in hand is left to the server"


def raw(address, *lines):
    line = connect(address)
    line.settimeout(10)
    line.sendall(b"Hello compass 1\n" + b"".join(one + b"\n" for one in lines))
    with line, line.makefile("rb") as answers:
        return [answers.readline() for _ in range(len(lines) + 1)][1:]


def test_words_that_no_log_and_no_server_could_take_are_made_plain(scene):
    reports, heard = [], []
    take = scene.update_events

    def note(report):
        reports.extend(report.said())
        return take(report)

    scene.update_events = note

    def payload(address):
        with Events(address) as line:
            one, other = (one["eventRangeID"].encode() for one in line.next(2))
        heard.extend(raw(address, b"ERR_X " + one + b": bad \xff\0 luck", bytes(scene.folder) + b"/\0x,ID:" + other))

    assert scene.run(payload, at_once=2).problem.code is ErrorCode.ES_RECOVERABLE
    assert heard[0] == b"Taken\n"
    assert heard[1].endswith(b"?x is no name of a file\n")
    words = [end["errorDiag"] for end in reports]
    assert words == ["ERR_X: bad ?? luck", f"{scene.folder}/?x is no name of a file"]


def test_nonsense_is_answered_each_time_and_fills_no_log(scene, caplog):
    heard = []
    scene.run(lambda address: heard.extend(raw(address, *[b"nonsense"] * 500)))
    assert heard == [b"Refused: 'nonsense' is no message of the event service\n"] * 500
    assert len([one for one in caplog.records if "nonsense" in one.getMessage()]) == 100


def test_a_flood_of_requests_is_bounded(scene, monkeypatch):
    monkeypatch.setattr(handing, "MOST_WAITING", 100)
    scene.ranges = scene.ranges[:1]
    released = threading.Event()
    give = scene.get_event_ranges

    def slowly(*asked):
        if not scene.ranges:
            released.wait(10)
        return give(*asked)

    scene.get_event_ranges = slowly
    heard = []

    def payload(address):
        line = connect(address)
        line.settimeout(10)
        line.sendall(b"Hello compass 1\n" + b"Ready for events\n" * 102)
        with line, line.makefile("rb") as answers:
            for answer in answers:
                heard.append(answer)
                if answer.startswith(b"Refused"):
                    released.set()
                if heard.count(b"No more events\n") == 100:
                    return

    scene.run(payload)
    assert heard[2] == b"Refused: too many have asked for ranges, and wait for them\n"
    assert len(heard) == 2 + 1 + 100


def test_what_a_payload_says_right_before_its_end_counts(tmp_path):
    for number in range(20):
        (folder := tmp_path / str(number)).mkdir()
        scene = Scene(folder, 1)

        def payload(address, folder=folder):
            with connect(address) as line, line.makefile("r") as answers:
                line.sendall(b"Ready for events\n")
                name = answers.readline().partition('eventRangeID": "')[2].partition('"')[0]
                line.sendall(f"{write(folder, name)},ID:{name},CPU:1,WALL:1\n".encode())

        scene.run(payload)
        assert scene.told == [("1-7-2-0-3", "finished", 0)]
