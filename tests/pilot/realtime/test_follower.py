"""Jobs' files on their way to log services that take, pause, refuse or hang; with a clock of the test's own."""

from __future__ import annotations

import pytest

from pilot.control.tails import masking, open_file
from pilot.realtime import follower as module
from pilot.realtime.address import read_address
from pilot.realtime.choice import Wish
from pilot.realtime.follower import Follower, Means
from pilot.realtime.noticing import Noticing
from pilot.realtime.records import Origin
from pilot.realtime.sending import Sending
from pilot.realtime.services.base import Access, NotSent, Unwanted
from pilot.realtime.stream import Stream
from pilot.realtime.tail import Tail
from pilot.settings.realtime import Realtime

ACCESS = Access("compass-pilot")


class Service:
    """Takes what it is given, unless ``trouble`` says otherwise."""

    def __init__(self):
        self.taken, self.tries, self.trouble, self.timeouts, self.closed = [], 0, None, [], False

    def send(self, records, timeout):
        self.tries += 1
        self.timeouts.append(timeout)
        if self.trouble is not None:
            raise self.trouble
        self.taken += records

    def close(self):
        self.closed = True

    @property
    def texts(self):
        return [record["message"] for record in self.taken]


class Deaf(Noticing):
    """A kernel that gives nobody anything to wait for."""

    def __init__(self):
        super().__init__()
        self.close()


class Bench:
    def __init__(self, folder, noticing=None, shared=False, **settings):
        self.now, self.service, self.root = 1000.0, Service(), folder / "job"
        self.root.mkdir()
        self.stdout = self.root / "payload.stdout"
        chosen = Realtime(**settings)
        means = Means(chosen, masking(lambda: ("of-nobodys-business",)), open_file, lambda: self.now, lambda _: shared)
        self.follower = Follower(means, noticing)
        # A service of the test's own, in the place of one that connects.
        self.wish = Wish(read_address("logstash;tcp://127.0.0.1:9", "x"), ("payload.stdout",))
        sending = Sending(self.service, "the service", chosen, lambda: self.now)
        self.follower._sendings[str(self.wish.address), ACCESS] = sending

    def begin(self, number=7, files=("payload.stdout",)):
        self.follower.begin(Origin(number, 1, 3), self.root, self.wish._replace(files=files), ACCESS)

    def write(self, text):
        with self.stdout.open("a") as file:
            file.write(text)

    def notice(self):
        """Hear what the kernel has to say; answer whether it had anything."""
        import select

        if self.follower.noticing.works and select.select([self.follower.noticing], [], [], 0)[0]:
            self.follower.noticed = True
        return self.follower.noticed

    def look(self):
        """Look when it is time; answer the time."""
        self.notice()
        at = self.follower.next_look()
        assert at is not None
        self.now = max(self.now, at)
        self.follower.look()
        return self.now


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.follower.finish()


def test_lines_are_sent_soon_after_they_are_written_and_nothing_is_done_in_between(bench):
    assert bench.follower.next_look() is None
    bench.begin()
    bench.look()
    assert not bench.notice()
    assert bench.follower.next_look() is None  # the file is not there yet
    bench.write("one\n")
    assert bench.notice()
    bench.look()
    while bench.notice():
        bench.look()
    assert bench.service.texts == ["one"]
    assert bench.follower.next_look() is None
    looked = bench.now
    bench.write("two\n")
    assert bench.notice()
    assert bench.follower.next_look() == looked + 0.5  # lines are gathered for a moment
    bench.look()
    assert bench.service.texts == ["one", "two"]


def test_a_payload_that_writes_without_pause_is_looked_at_twice_a_second_at_most(bench):
    bench.write("0\n")
    bench.begin()
    began, looks = bench.now, 0
    while bench.now < began + 10:
        bench.write("x\n" * 100)
        bench.look()
        looks += 1
    assert looks <= 22


def test_without_the_kernels_help_files_are_looked_at_from_time_to_time(tmp_path):
    bench = Bench(tmp_path, Deaf())
    bench.begin()
    first = bench.look()
    bench.write("one\n")
    assert bench.look() == first + 5
    assert bench.service.texts == ["one"]
    bench.follower.finish()


def test_a_file_that_another_machine_may_write_is_looked_at_from_time_to_time(tmp_path):
    bench = Bench(tmp_path, shared=True)
    bench.write("one\n")
    bench.begin()
    bench.look()
    while bench.notice():  # of the folder, which is left
        first = bench.look()
    bench.write("two\n")
    assert not bench.notice()
    assert bench.look() == first + 5
    assert bench.service.texts == ["one", "two"]
    bench.follower.finish()


def test_a_file_in_a_folder_that_is_made_later_is_found(bench):
    bench.begin(files=("logs/run.log",))
    first = bench.look()
    (bench.root / "logs").mkdir()
    (bench.root / "logs/run.log").write_text("one\n")
    while not bench.service.taken:
        bench.look()
    assert bench.now <= first + 6
    (bench.root / "logs/run.log").write_text("one\ntwo\n")
    assert bench.notice()  # from now on the kernel tells


def test_a_service_that_is_away_gets_everything_later_once_and_in_order(bench, caplog):
    bench.write("one\n")
    bench.begin()
    bench.service.trouble = NotSent("nobody there")
    times = [bench.look() for _ in range(4)]
    bench.write("two\n")
    pauses = [later - earlier for earlier, later in zip(times, times[1:])]
    assert 0.5 <= pauses[0] <= 1 <= pauses[1] <= 2 <= pauses[2] <= 4
    bench.service.trouble = None
    bench.look()
    assert bench.service.texts == ["one", "two"]
    assert [record["sequence"] for record in bench.service.taken] == [1, 2]
    assert caplog.text.count("does not take lines") == 1


def test_what_one_job_could_not_send_keeps_nobody_awake_for_another(bench):
    bench.write("one\n")
    bench.begin(7)
    bench.begin(8, files=("other.log",))
    (bench.root / "other.log").touch()
    bench.service.trouble = NotSent("nobody there")
    bench.look()
    bench.follower.drop((7, 1))
    bench.now += 100
    looks = 0
    while bench.notice() and looks < 10:
        bench.look()
        looks += 1
    assert looks < 5
    assert bench.follower.next_look() is None
    bench.service.trouble = None
    (bench.root / "other.log").write_text("two\n")
    assert bench.notice()
    bench.look()
    assert bench.service.texts == ["two"]


def test_a_job_that_has_nothing_left_is_let_go_although_its_service_is_away(bench):
    bench.begin(7)
    bench.write("one\n")
    bench.look()
    bench.service.trouble = NotSent("nobody there")
    bench.begin(8, files=("other.log",))
    (bench.root / "other.log").write_text("two\n")
    bench.look()
    bench.follower.end((7, 1))
    bench.look()
    assert bench.follower.followed() == ((8, 1),)


def test_records_that_are_sent_again_are_the_same_ones(bench):
    bench.write("one\n")
    bench.begin()
    sent, bench.service.send = [], lambda records, timeout: _note(sent, records)
    bench.look()
    bench.look()
    assert sent[0] == sent[1]


def _note(sent, records):
    sent.append([dict(record) for record in records])
    raise NotSent("the answer was lost")


def test_what_a_service_refuses_is_left_out_and_told(bench, caplog):
    bench.write("one\ntwo\n")
    bench.begin()
    bench.service.trouble = Unwanted("HTTP 400")
    bench.look()
    bench.service.trouble = None
    bench.write("three\n")
    bench.look()
    told, three = bench.service.taken
    assert (told["dropped"], three["sequence"], three["message"]) == (2, 3, "three")
    assert "refuses 2 records: HTTP 400" in caplog.text
    bench.follower.drop((7, 1))
    assert "job 7.1: 2 lines were left out" in caplog.text


def test_at_a_payloads_end_what_is_left_is_sent_at_once(bench):
    bench.write("one\n")
    bench.begin()
    bench.look()
    bench.write("two\nand no end")
    bench.follower.end((7, 1))
    now = bench.now
    assert bench.look() == now
    assert bench.service.texts == ["one", "two", "and no end"]
    assert not bench.follower.busy


def test_a_payload_that_left_many_lines_has_them_all_sent(bench):
    bench.write("".join(f"{number}\n" for number in range(50_000)))
    bench.begin()
    bench.follower.end((7, 1))
    while bench.follower.busy:
        bench.look()
    assert bench.service.texts == [str(number) for number in range(50_000)]


def test_a_service_that_hangs_keeps_the_last_lines_for_so_long_and_no_longer(bench, caplog):
    bench.write("one\n")
    bench.begin()
    bench.service.trouble = NotSent("timed out")
    bench.follower.end((7, 1))
    began = bench.now
    while bench.follower.busy:
        bench.look()
    assert bench.now <= began + 5
    assert max(bench.service.timeouts) <= 5
    assert "job 7.1: 0 lines were left out of the log service, and 4 bytes at the end" in caplog.text


def test_when_the_pilot_ends_what_is_left_is_sent_to_services_that_are_well(bench):
    bench.write("one\n")
    bench.begin()
    bench.follower.finish()
    assert bench.service.texts == ["one"]
    assert bench.service.closed
    assert not bench.follower.busy


def test_when_the_pilot_ends_nobody_waits_for_a_service_that_is_away(bench):
    bench.write("one\n")
    bench.begin()
    bench.service.trouble = NotSent("nobody there")
    bench.look()
    tries, now = bench.service.tries, bench.now
    bench.follower.finish()
    assert (bench.service.tries, bench.now) == (tries, now)


def test_several_jobs_take_turns(bench, monkeypatch):
    monkeypatch.setattr(module, "ROUNDS", 1)
    bench.write("a\n" * 3000)
    bench.begin(7)
    bench.begin(8)
    bench.look()
    assert [record["PandaJobID"] for record in bench.service.taken[::1000]] == [7, 8]
    assert bench.follower.followed() == ((7, 1), (8, 1))
    assert bench.follower.noticed  # there is more


def test_a_job_that_is_dropped_is_followed_no_more(bench):
    bench.write("one\n")
    bench.begin()
    bench.follower.drop((7, 1))
    bench.follower.drop((7, 1))
    assert not bench.follower.follows((7, 1))
    assert bench.service.taken == []


def test_secrets_are_masked_also_where_a_line_is_cut(tmp_path):
    path = tmp_path / "payload.stdout"
    service, sending_settings = Service(), Realtime()
    mask = masking(lambda: ("of-nobodys-business",))
    tail = Tail(tmp_path, path.name, 10**7, open_file)
    stream = Stream(Origin(7, 1), [tail], Sending(service, "x", sending_settings, lambda: 0.0), mask)
    path.write_text("key=of-nobodys-business;\n" + "x" * (256 * 1024 - 10) + "of-nobodys-business\n")
    while stream.send(5.0):
        pass
    stream.until = 0.0
    stream.send(5.0)
    text = "".join(service.texts)
    assert text.startswith("key=********;")
    assert "nobodys" not in text
    stream.close()
