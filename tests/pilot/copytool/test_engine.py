"""Files of a job, staged in and out with what can go wrong on the way."""

from __future__ import annotations

import os
import threading
import time
import zlib
from pathlib import Path

import pytest

from pilot.contract.addresses import shown
from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.queue import Protocol, QueueData, StorageEndpoint
from pilot.copytool.attempts import Policy
from pilot.copytool.base import Cancel, CopyCancelled, CopyFailed, Deadline, FailureKind, FileFacts
from pilot.copytool.engine import Engine
from pilot.copytool.local import Link, Local, Move, SymbolicLink, path_of
from pilot.copytool.program import run
from pilot.copytool.together import Turns
from pilot.errors import JobFailed
from pilot.settings.everything import Settings
from pilot.settings.sections import Copy

CONTENT = b"events " * 500


def adler(content):
    return f"adler32:{zlib.adler32(content):08x}"


class Place:
    """A storage, a job's directory and an engine between them."""

    def __init__(self, root, *, tools=(Local, Link, Move, SymbolicLink), use="local", storage=None, **queue):
        self.storage = storage or root / "storage"
        self.folder = root / "job"
        self.folder.mkdir(exist_ok=True)
        if storage is None:
            self.storage.mkdir(exist_ok=True)
        where = (Protocol("file://", str(self.storage)),)
        endpoint = StorageEndpoint("S", False, {"r": where, "w": where})
        about = QueueData("Q", copytools={use: {}}, astorages={"default": ("S",)}, **queue)
        made = {tool.name: tool if isinstance(tool, Local) else tool() for tool in tools}
        self.engine = Engine(made, {"S": endpoint}, about, policy=Policy(3, 0.001), turns=Turns(2))
        self.cancel = Cancel()
        self.told = []

    def slow_down(self):
        self.engine._attempts.policy = Policy(3, 600)

    def put(self, lfn, content=CONTENT):
        path = self.storage / "in" / lfn
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def stage_in(self, *files, deadline=30.0):
        spec = JobSpec(id=7, attempt=2, transformation="true", inputs=files)
        return self.engine.stage_in(spec, self.folder, Deadline(deadline), self.cancel)

    def stage_out(self, *files, deadline=30.0, without=(), attempt=1):
        spec = JobSpec(id=7, attempt=attempt, transformation="true", outputs=files, allow_no_output=without)
        return self.engine.stage_out(spec, files, self.folder, Deadline(deadline), self.cancel, self.told.append)

    def stored(self):
        return sorted(str(path.relative_to(self.storage)) for path in self.storage.rglob("*") if path.is_file())


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def given(lfn="a.raw", **facts):
    return FileSpec(lfn, Role.INPUT, dataset="in", **facts)


def made(lfn="a.root", **facts):
    return FileSpec(lfn, Role.OUTPUT, dataset="out", **facts)


def fails(code, call, *arguments, match=None, **options):
    with pytest.raises(JobFailed, match=match) as caught:
        call(*arguments, **options)
    assert caught.value.code is code
    return caught.value


# Into the job's directory.


def test_an_input_that_is_called_as_another_one_on_its_way_is_refused_and_not_lost(place):
    for name in ("a.raw", "a.raw.part"):
        place.put(name)
    match = r"a\.raw\.part is an input, and what a\.raw is called"
    fails(ErrorCode.BAD_JOB_DEFINITION, place.stage_in, given("a.raw.part"), given("a.raw"), match=match)
    assert [file.lfn for file in place.stage_in(given("a.raw.part"))] == ["a.raw.part"]


@pytest.mark.parametrize("use", ["local", "link", "mv", "symlink"])
@pytest.mark.parametrize("registered", [{}, {"size": len(CONTENT)}, {"size": len(CONTENT), "checksum": adler(CONTENT)}])
def test_an_input_arrives_under_its_name(tmp_path, use, registered):
    place = Place(tmp_path, use=use)
    place.put("a.raw")
    (arrived,) = place.stage_in(given(guid="G", **registered))
    assert (place.folder / "a.raw").read_bytes() == CONTENT
    assert (arrived.lfn, arrived.size, arrived.guid, arrived.endpoint) == ("a.raw", len(CONTENT), "G", "S")
    assert arrived.url == f"file://{place.storage}/in/a.raw"
    assert [path.name for path in place.folder.iterdir()] == ["a.raw"]


def test_an_md5_is_verified_where_that_is_registered(place):
    place.put("a.raw")
    import hashlib

    right = "md5:" + hashlib.md5(CONTENT).hexdigest()
    (arrived,) = place.stage_in(given(checksum=right))
    assert arrived.checksum == right
    fails(ErrorCode.GET_MD5_MISMATCH, place.stage_in, given(checksum="md5:" + "0" * 32))


def test_a_missing_input_is_named(place):
    failed = fails(ErrorCode.MISSING_INPUT, place.stage_in, given(), match="a.raw: .*No such file")
    assert failed.facts["lfn"] == "a.raw"


def test_a_dangling_link_is_a_missing_input(tmp_path):
    for use in ("local", "mv"):
        place = Place(tmp_path, use=use)
        (place.storage / "in").mkdir(parents=True, exist_ok=True)
        (place.storage / "in" / "a.raw").unlink(missing_ok=True)
        (place.storage / "in" / "a.raw").symlink_to("gone")
        fails(ErrorCode.MISSING_INPUT, place.stage_in, given())
        assert list(place.folder.iterdir()) == []


@pytest.mark.parametrize("use", ["local", "mv"])
def test_an_input_of_the_wrong_size_is_not_taken(tmp_path, use):
    place = Place(tmp_path, use=use)
    place.put("a.raw", CONTENT[:-1])
    words = f"{len(CONTENT) - 1} bytes arrived, {len(CONTENT)} are registered"
    fails(ErrorCode.INPUT_SIZE_MISMATCH, place.stage_in, given(size=len(CONTENT)), match=words)
    assert list(place.folder.iterdir()) == []


@pytest.mark.parametrize("use", ["local", "link", "mv"])
def test_an_input_with_the_wrong_checksum_is_not_taken(tmp_path, use):
    place = Place(tmp_path, use=use)
    place.put("a.raw", CONTENT[:-1] + b"x")
    wanted = given(size=len(CONTENT), checksum=adler(CONTENT))
    fails(ErrorCode.GET_ADLER_MISMATCH, place.stage_in, wanted, match=f"{adler(CONTENT)} is registered")
    assert list(place.folder.iterdir()) == []


def test_inputs_that_are_larger_than_the_queue_allows_are_not_begun(tmp_path):
    place = Place(tmp_path, max_input_size=100)
    fails(ErrorCode.SIZE_TOO_LARGE, place.stage_in, given(size=60), given("b", size=60), match="120 bytes.*allows 100")


def test_inputs_for_which_there_is_no_room_are_not_begun(tmp_path):
    place = Place(tmp_path)
    place.put("a.raw")
    failed = fails(ErrorCode.NO_LOCAL_SPACE, place.stage_in, given(size=2**60), match="has room for")
    assert failed.facts["needed"] == 2**60
    assert failed.facts["free"] > 0


def test_a_disk_that_fills_up_is_told_with_its_figures(tmp_path, small_disk):
    place = Place(tmp_path)
    place.folder = small_disk
    place.put("a.raw", b"x" * 200_000)
    failed = fails(ErrorCode.NO_LOCAL_SPACE, place.stage_in, given(), match="No space left on device")
    assert set(failed.facts) == {"lfn", "needed", "free"}
    assert list(small_disk.iterdir()) == []


def test_time_that_is_up_is_told(place):
    place.put("a.raw")
    fails(ErrorCode.STAGE_IN_TIMEOUT, place.stage_in, given(), deadline=0.0)


def test_what_was_given_up_is_told(place):
    place.put("a.raw")
    place.cancel.ask()
    fails(ErrorCode.COPY_CANCELLED, place.stage_in, given(), match="a.raw was not fetched")
    assert list(place.folder.iterdir()) == []


# Out of it.


@pytest.mark.parametrize("use", ["local", "link", "mv"])
def test_an_output_is_stored_and_told(tmp_path, use):
    place = Place(tmp_path, use=use)
    (place.folder / "a.root").write_bytes(CONTENT)
    (stored,) = place.stage_out(made())
    assert place.stored() == ["out/a.root"]
    assert (place.storage / "out" / "a.root").read_bytes() == CONTENT
    assert (stored.size, stored.checksum, stored.endpoint) == (len(CONTENT), adler(CONTENT), "S")
    assert stored.url == f"file://{place.storage}/out/a.root"
    assert place.told == [stored]


def test_an_output_gets_a_guid_unless_it_has_one(place):
    for name in ("a", "b"):
        (place.folder / name).write_bytes(CONTENT)
    first, second = place.stage_out(made("a", guid="ORDERED"), made("b"))
    assert first.guid == "ORDERED"
    assert second.guid == second.guid.upper()
    assert len(second.guid) == 36


@pytest.mark.parametrize("left", ["nothing", "a folder", "a dangling link"])
def test_nothing_is_stored_when_one_output_is_missing(place, left):
    (place.folder / "a").write_bytes(CONTENT)
    if left == "a folder":
        (place.folder / "b").mkdir()
    elif left == "a dangling link":
        (place.folder / "b").symlink_to("gone")
    words = "b is a folder, not a file" if left == "a folder" else "b was not written"
    fails(ErrorCode.OUTPUT_MISSING, place.stage_out, made("a"), made("b"), match=words)
    assert place.stored() == []
    assert place.told == []


def test_an_empty_output_is_refused(place):
    (place.folder / "a").write_bytes(b"")
    fails(ErrorCode.ZERO_FILE_SIZE, place.stage_out, made("a"), match="a is empty")


def test_an_output_that_the_job_may_do_without_is_passed_over(place):
    (place.folder / "a").write_bytes(CONTENT)
    (place.folder / "empty").write_bytes(b"")
    stored = place.stage_out(made("a"), made("b"), made("empty"), without=("b", "empty"))
    assert [file.lfn for file in stored] == ["a"]


def test_what_was_stored_before_a_crash_counts_as_stored(place):
    (place.folder / "a").write_bytes(CONTENT)
    (first,) = place.stage_out(made("a", guid="G"))
    half = place.storage / "out" / "a.7-1.part"  # it died before it had removed the temporary name
    os.link(place.storage / "out" / "a", half)
    assert place.stage_out(made("a", guid="G")) == (first,)
    assert place.stored() == ["out/a"]


@pytest.mark.parametrize("other", [CONTENT + b"x", CONTENT[:-1] + b"x"])
def test_another_content_under_the_name_is_not_overwritten(place, other):
    (place.folder / "a").write_bytes(CONTENT)
    (place.storage / "out").mkdir(parents=True)
    (place.storage / "out" / "a").write_bytes(other)
    fails(ErrorCode.FILE_EXISTS, place.stage_out, made("a"), match="another content")
    assert (place.storage / "out" / "a").read_bytes() == other


def test_what_an_earlier_attempt_left_is_replaced(place):
    (place.folder / "a").write_bytes(CONTENT)
    (place.storage / "out").mkdir(parents=True)
    (place.storage / "out" / "a").write_bytes(b"older")
    (stored,) = place.stage_out(made("a"), attempt=2)
    assert stored.checksum == adler(CONTENT)
    assert (place.storage / "out" / "a").read_bytes() == CONTENT
    assert place.stored() == ["out/a"]


def test_a_log_of_a_pilot_that_died_is_replaced(place):
    log = FileSpec("log.tgz", Role.LOG, dataset="out")
    (place.folder / "log.tgz").write_bytes(CONTENT)
    (place.storage / "out").mkdir(parents=True)
    (place.storage / "out" / "log.tgz").write_bytes(b"older")
    (stored,) = place.stage_out(log)
    assert stored.checksum == adler(CONTENT)
    assert (place.storage / "out" / "log.tgz").read_bytes() == CONTENT
    assert place.stored() == ["out/log.tgz"]


def test_a_half_file_of_an_earlier_try_is_in_nobodys_way(place):
    (place.folder / "a").write_bytes(CONTENT)
    (place.storage / "out").mkdir(parents=True)
    (place.storage / "out" / "a.7-1.part").write_bytes(b"half")
    place.stage_out(made("a"))
    assert place.stored() == ["out/a"]


class Flipping(Local):
    """On its storage a byte is not what was written."""

    def copy(self, transfer, deadline, cancel):
        facts = super().copy(transfer, deadline, cancel)
        with path_of(transfer.target).open("r+b") as file:
            file.write(b"E")
        return facts


def test_a_byte_that_has_flipped_on_the_storage_is_found_when_outputs_are_read_back(tmp_path):
    place = Place(tmp_path, tools=(Flipping(Settings(copy=Copy(read_back="always"))),))
    (place.folder / "a.root").write_bytes(CONTENT)
    with pytest.raises(JobFailed) as failed:
        place.stage_out(made())
    assert failed.value.code is ErrorCode.PUT_ADLER_MISMATCH
    assert place.stored() == []


def test_an_output_that_is_not_read_back_has_the_checksum_of_what_was_read(tmp_path):
    place = Place(tmp_path, tools=(Flipping(Settings(copy=Copy(read_back="never"))),))
    (place.folder / "a.root").write_bytes(CONTENT)
    assert [file.checksum for file in place.stage_out(made())] == [adler(CONTENT)]


def test_a_full_storage_is_told_and_left_without_half_files(tmp_path, small_disk):
    place = Place(tmp_path, storage=small_disk)
    (place.folder / "a").write_bytes(b"x" * 200_000)
    failed = fails(ErrorCode.NO_REMOTE_SPACE, place.stage_out, made("a"), match="No space left")
    assert failed.facts == {"lfn": "a", "needed": 200_000}
    assert place.stored() == []


def test_a_storage_that_is_no_folder_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    place = Place(tmp_path, storage=tmp_path / "file")
    (place.folder / "a").write_bytes(CONTENT)
    fails(
        ErrorCode.UNREACHABLE_NETWORK, place.stage_out, made("a"), match="the storage's folder is not there; mounted?"
    )


def test_a_storage_that_is_not_mounted_is_not_made_up(tmp_path):
    place = Place(tmp_path, storage=tmp_path / "not" / "mounted")
    (place.folder / "a").write_bytes(CONTENT)
    fails(ErrorCode.UNREACHABLE_NETWORK, place.stage_out, made("a"), match="not/mounted: the storage's folder")
    assert not (tmp_path / "not").exists()


def test_a_file_in_the_place_of_a_datasets_folder_is_told(place):
    (place.folder / "a").write_bytes(CONTENT)
    (place.storage / "out").write_bytes(b"")
    fails(ErrorCode.FILE_EXISTS, place.stage_out, made("a"), match=f"a: {place.storage}/out")


def test_giving_up_leaves_no_half_file(place):
    (place.folder / "a").write_bytes(CONTENT)
    place.cancel.ask()
    fails(ErrorCode.COPY_CANCELLED, place.stage_out, made("a"), match="a was not stored")
    assert place.stored() == []


def test_each_file_is_told_as_soon_as_it_is_stored(place):
    (place.folder / "a").write_bytes(CONTENT)
    (place.folder / "b").write_bytes(CONTENT)
    (place.storage / "out").mkdir(parents=True)
    (place.storage / "out" / "b").write_bytes(b"other")
    fails(ErrorCode.FILE_EXISTS, place.stage_out, made("a"), made("b"))
    assert [file.lfn for file in place.told] == ["a"]


# A storage that misbehaves.


class Moody(Local):
    """Does what it is told to do in turn, and then what a sane tool does; what it stores is read back."""

    def __init__(self, *moods):
        super().__init__(Settings(copy=Copy(read_back="always")))
        self.moods = list(moods)
        self.calls = 0

    def copy(self, transfer, deadline, cancel):
        self.calls += 1
        mood = self.moods.pop(0) if self.moods else None
        if isinstance(mood, Exception):
            raise mood
        facts = super().copy(transfer, deadline, cancel)
        return mood(transfer, facts) if mood else facts


def truncates(transfer, facts):
    path = path_of(transfer.target)
    path.write_bytes(path.read_bytes()[:-1])
    return facts


def garbles(transfer, facts):
    path = path_of(transfer.target)
    path.write_bytes(path.read_bytes()[:-1] + b"#")
    return facts


def vanishes(transfer, facts):
    path_of(transfer.target).unlink()
    return facts


def knows_no_sum(transfer, facts):
    return FileFacts(facts.size)


PASSING = CopyFailed(FailureKind.UNREACHABLE, "no answer")
LASTING = CopyFailed(FailureKind.PERMISSION, "not yours")


@pytest.mark.parametrize("mood", [truncates, garbles, vanishes, PASSING, CopyFailed(None, "broken pipe")])
def test_a_failure_that_passes_is_tried_again(tmp_path, mood):
    tool = Moody(mood)
    place = Place(tmp_path, tools=(tool,))
    (place.folder / "a").write_bytes(CONTENT)
    (stored,) = place.stage_out(made("a"))
    assert stored.checksum == adler(CONTENT)
    assert tool.calls == 2
    assert place.stored() == ["out/a"]


def test_a_failure_that_lasts_is_not_tried_again(tmp_path):
    tool = Moody(LASTING, LASTING)
    place = Place(tmp_path, tools=(tool,))
    place.put("a.raw")
    fails(ErrorCode.STORAGE_PERMISSION, place.stage_in, given(), match="not yours")
    assert tool.calls == 1


@pytest.mark.parametrize(
    ("mood", "code"),
    [
        (truncates, ErrorCode.OUTPUT_SIZE_MISMATCH),
        (garbles, ErrorCode.PUT_ADLER_MISMATCH),
        (vanishes, ErrorCode.OUTPUT_SIZE_MISMATCH),
        (PASSING, ErrorCode.UNREACHABLE_NETWORK),
        (CopyFailed(None, "?"), ErrorCode.STAGE_OUT_FAILED),
        (CopyFailed(FailureKind.AUTHENTICATION, "who?"), ErrorCode.STAGE_OUT_AUTHENTICATION),
    ],
)
def test_a_failure_that_does_not_pass_is_told_and_leaves_nothing(tmp_path, mood, code):
    place = Place(tmp_path, tools=(Moody(mood, mood, mood),))
    (place.folder / "a").write_bytes(CONTENT)
    fails(code, place.stage_out, made("a"))
    assert place.stored() == []


@pytest.mark.parametrize("mood", [truncates, vanishes])
def test_an_input_that_loses_bytes_on_the_way_is_fetched_again(tmp_path, mood):
    tool = Moody(mood)
    place = Place(tmp_path, tools=(tool,))
    place.put("a.raw")
    place.stage_in(given(checksum=adler(CONTENT)))
    assert tool.calls == 2
    assert (place.folder / "a.raw").read_bytes() == CONTENT


def test_an_input_is_verified_where_the_tool_tells_no_checksum(tmp_path):
    place = Place(tmp_path, tools=(Moody(knows_no_sum, knows_no_sum, knows_no_sum),))
    place.put("a.raw", CONTENT[:-1] + b"x")
    fails(ErrorCode.GET_ADLER_MISMATCH, place.stage_in, given(checksum=adler(CONTENT)))


def test_the_next_way_is_taken_when_one_fails(tmp_path):
    place = Place(tmp_path)

    class Other(Moody):
        name = "other"

    broken, sane = Other(LASTING), Local()
    where = (Protocol("file://", str(place.storage)),)
    queue = QueueData("Q", acopytools={"default": ("other", "local")}, astorages={"default": ("S",)})
    storages = {"S": StorageEndpoint("S", False, {"r": where})}
    place.engine = Engine({"other": broken, "local": sane}, storages, queue)
    place.put("a.raw")
    assert place.stage_in(given())[0].size == len(CONTENT)
    assert broken.calls == 1


def test_waiting_for_another_try_ends_when_the_job_does(tmp_path):
    tool = Moody(PASSING, PASSING, PASSING)
    place = Place(tmp_path, tools=(tool,))
    place.slow_down()
    place.put("a.raw")
    threading.Timer(0.05, place.cancel.ask).start()
    fails(ErrorCode.COPY_CANCELLED, place.stage_in, given(), deadline=3600.0)
    assert tool.calls == 1


def test_no_other_try_is_begun_for_which_there_is_no_time(tmp_path):
    tool = Moody(PASSING, PASSING)
    place = Place(tmp_path, tools=(tool,))
    place.slow_down()
    place.put("a.raw")
    fails(ErrorCode.UNREACHABLE_NETWORK, place.stage_in, given(), deadline=5.0)
    assert tool.calls == 1


def test_cancelling_in_the_tool_is_told_as_such(tmp_path):
    place = Place(tmp_path, tools=(Moody(CopyCancelled()),))
    (place.folder / "a").write_bytes(CONTENT)
    fails(ErrorCode.COPY_CANCELLED, place.stage_out, made("a"))


def test_a_file_of_many_blocks_goes_there_and_back(place):
    content = bytes(range(256)) * 20_000
    (place.folder / "a.raw").write_bytes(content)
    (stored,) = place.stage_out(FileSpec("a.raw", Role.OUTPUT, dataset="in"))
    Path(place.folder / "a.raw").unlink()
    place.stage_in(given(size=stored.size, checksum=stored.checksum))
    assert (place.folder / "a.raw").read_bytes() == content


def test_each_copy_is_told_in_the_log_with_the_words_of_those_that_failed(tmp_path, caplog):
    caplog.set_level("INFO")
    place = Place(tmp_path, tools=(Moody(PASSING),))
    place.put("a.raw")
    place.stage_in(given())
    said = [record.getMessage() for record in caplog.records]
    assert said[0].startswith(f"job 7.2: try 1 from file://{tmp_path}/storage/in/a.raw by local: no answer")
    assert said[1].startswith(f"job 7.2: {len(CONTENT)} bytes from file://{tmp_path}/storage/in/a.raw by local in 0.")
    assert len(said) == 2


def test_no_secret_of_an_address_is_told_in_the_log():
    assert shown("https://user:p@ss@storage/x?signature=s3cret") == "https://***@storage/x"


# What a tool is told, and tools that keep their own order.


class Told(Local):
    """Keeps what it was told."""

    name = "told"

    def __init__(self):
        super().__init__()
        self.transfers = []

    def copy(self, transfer, deadline, cancel):
        self.transfers.append(transfer)
        return super().copy(transfer, deadline, cancel)


def test_a_tool_is_told_all_that_a_file_is_known_by(tmp_path):
    tool = Told()
    place = Place(tmp_path, tools=(tool,), use="told")
    place.put("a.raw")
    place.stage_in(given(scope="in.scope", guid="G", size=len(CONTENT), checksum=adler(CONTENT)))
    (place.folder / "a").write_bytes(CONTENT)
    (stored,) = place.stage_out(made("a", scope="out.scope"))
    came, went = tool.transfers
    assert (came.scope, came.dataset, came.guid, came.endpoint) == ("in.scope", "in", "G", "S")
    assert (came.size, came.checksum, came.root) == (len(CONTENT), adler(CONTENT), "")
    assert (went.scope, went.dataset, went.guid, went.endpoint) == ("out.scope", "out", stored.guid, "S")
    assert (went.size, went.root, went.lfn) == (len(CONTENT), f"file://{place.storage}", "a")


class Whole(Moody):
    """Stores like an object store: under the name itself, which is there when the file is whole."""

    name = "whole"
    whole = True


def test_what_is_whole_when_it_has_its_name_is_stored_under_it(tmp_path):
    tool = Whole(lambda transfer, facts: (seen.append(transfer.target), facts)[1])
    seen = []
    place = Place(tmp_path, tools=(tool,), use="whole")
    (place.folder / "a").write_bytes(CONTENT)
    (stored,) = place.stage_out(made("a"))
    assert seen == [f"file://{place.storage}/out/a"] == [stored.url]
    assert place.stage_out(made("a"))[0].checksum == stored.checksum
    assert tool.calls == 1


@pytest.mark.parametrize(
    ("mood", "code"), [(truncates, ErrorCode.OUTPUT_SIZE_MISMATCH), (garbles, ErrorCode.PUT_ADLER_MISMATCH)]
)
def test_what_is_stored_wrong_under_its_name_is_removed(tmp_path, mood, code):
    place = Place(tmp_path, tools=(Whole(mood, mood, mood),), use="whole")
    (place.folder / "a").write_bytes(CONTENT)
    fails(code, place.stage_out, made("a"))
    assert place.stored() == []


def stops_halfway(failure):
    def half(transfer, facts):
        path_of(transfer.target).write_bytes(CONTENT[:100])
        raise failure

    return half


def test_what_a_killed_program_has_left_under_the_name_is_removed_and_not_taken_for_somebody_elses(tmp_path):
    place = Place(tmp_path, tools=(Whole(stops_halfway(CopyFailed(FailureKind.TIMEOUT, "killed"))),), use="whole")
    (place.folder / "a").write_bytes(CONTENT)
    place.stage_out(made("a"))
    assert (place.storage / "out" / "a").read_bytes() == CONTENT


def test_a_stop_leaves_nothing_half_under_the_name(tmp_path):
    place = Place(tmp_path, tools=(Whole(stops_halfway(CopyCancelled())),), use="whole")
    (place.folder / "a").write_bytes(CONTENT)
    fails(ErrorCode.COPY_CANCELLED, place.stage_out, made("a"))
    assert place.stored() == []


def test_what_somebody_else_stores_at_the_same_moment_stays(tmp_path):
    place = Place(tmp_path, tools=(Whole(stops_halfway(CopyFailed(FailureKind.EXISTS, "it is there"))),), use="whole")
    (place.folder / "a").write_bytes(CONTENT)
    fails(ErrorCode.FILE_EXISTS, place.stage_out, made("a"))
    assert place.stored() == ["out/a"]


def test_somebody_elses_file_is_left_alone_by_tools_that_store_under_the_name(tmp_path):
    place = Place(tmp_path, tools=(Whole(),), use="whole")
    (place.folder / "a").write_bytes(CONTENT)
    (place.storage / "out").mkdir()
    (place.storage / "out" / "a").write_bytes(b"theirs")
    fails(ErrorCode.FILE_EXISTS, place.stage_out, made("a"))
    assert (place.storage / "out" / "a").read_bytes() == b"theirs"
    place.stage_out(made("a"), attempt=2)
    assert (place.storage / "out" / "a").read_bytes() == CONTENT


def test_a_tool_that_chose_the_place_says_where_it_is(tmp_path):
    tool = Moody(*[lambda transfer, facts: facts._replace(url="root://far//a", endpoint="FAR")] * 2)
    place = Place(tmp_path, tools=(tool,))
    place.put("a.raw")
    (arrived,) = place.stage_in(given())
    assert (arrived.url, arrived.endpoint) == ("root://far//a", "FAR")


# Many files, and storages that are not there.


def test_all_that_can_be_delivered_is_delivered(tmp_path):
    place = Place(tmp_path)
    names = [f"f{number:03}" for number in range(200)]
    for number, name in enumerate(names):
        place.put(name, CONTENT if number % 20 else CONTENT[:-1])
    arrived = []
    spec = JobSpec(7, 2, "true", inputs=tuple(given(name, size=len(CONTENT)) for name in names))
    with pytest.raises(JobFailed) as caught:
        place.engine.stage_in(spec, place.folder, Deadline(30), place.cancel, arrived.append)
    assert caught.value.code is ErrorCode.INPUT_SIZE_MISMATCH
    assert caught.value.detail.startswith("f000: ")
    assert "10 of 200 files failed, also f020, f040" in caught.value.detail
    bad = set(names[::20])
    assert set(caught.value.facts["lfns"]) == bad
    assert sorted(file.lfn for file in arrived) == sorted(set(names) - bad)
    assert sorted(path.name for path in place.folder.iterdir()) == sorted(set(names) - bad)


def test_outputs_that_can_be_stored_are_although_others_cannot(tmp_path):
    class Picky(Local):
        def copy(self, transfer, deadline, cancel):
            if int(transfer.lfn[1:]) % 20 == 0:
                raise LASTING
            return super().copy(transfer, deadline, cancel)

    place = Place(tmp_path, tools=(Picky(),))
    names = [f"f{number:03}" for number in range(200)]
    for name in names:
        (place.folder / name).write_bytes(CONTENT)
    failed = fails(ErrorCode.STORAGE_PERMISSION, place.stage_out, *map(made, names), match="10 of 200 files failed")
    good = sorted(set(names) - set(names[::20]))
    assert sorted(file.lfn for file in place.told) == good
    assert place.stored() == [f"out/{name}" for name in good]
    assert len(failed.facts["lfns"]) == 10


def replicas(place, count=3):
    """Answer the storages of an input that lies in the first one's folder, and those of its copies."""
    found = {}
    for number in range(count):
        root = place.storage.parent / f"replica{number}"
        found[f"R{number}"] = StorageEndpoint(f"R{number}", False, {"r": (Protocol("file://", str(root)),)})
        (root / "in").mkdir(parents=True, exist_ok=True)
        (root / "in" / "a.raw").write_bytes(CONTENT)
    return found


@pytest.mark.parametrize("wrong", [b"", CONTENT[:-1], CONTENT[:-1] + b"#", None])
def test_an_input_comes_from_the_next_storage_when_one_has_it_not_or_not_as_it_is_registered(tmp_path, wrong):
    place, traces = Place(tmp_path), []
    storages = replicas(place)
    first = tmp_path / "replica0" / "in" / "a.raw"
    first.unlink()
    if wrong is not None:
        first.write_bytes(wrong)
    queue = QueueData("Q", copytools={"local": {}}, astorages={"read_lan": tuple(storages)})
    place.engine = Engine({"local": Local()}, storages, queue, policy=Policy(3, 0.001), on_trace=traces.append)
    (arrived,) = place.stage_in(given(size=len(CONTENT), checksum=adler(CONTENT)))
    assert arrived.endpoint == "R1"
    assert [(trace.endpoint, trace.well) for trace in traces] == [("R0", False), ("R1", True)]
    assert traces[1].size == len(CONTENT)


def test_a_storage_that_hangs_costs_the_time_of_one_try_and_not_of_one_for_each_file(tmp_path):
    class Hangs(Local):
        def copy(self, transfer, deadline, cancel):
            if "replica0" in transfer.source:
                cancel.wait(deadline.left())
                raise CopyFailed(FailureKind.TIMEOUT, "no answer")
            return super().copy(transfer, deadline, cancel)

    place, traces = Place(tmp_path), []
    storages = replicas(place)
    names = [f"{number}.raw" for number in range(20)]
    for name in names:
        (tmp_path / "replica2" / "in" / name).write_bytes(CONTENT)
    queue = QueueData("Q", copytools={"local": {}}, astorages={"read_lan": tuple(storages)})
    policy = Policy(2, 0.001, base_time=0.2, rate=1e9)
    place.engine = Engine({"local": Hangs()}, storages, queue, policy=policy, on_trace=traces.append)
    assert len(place.stage_in(*(given(name, size=len(CONTENT)) for name in names))) == 20
    assert [trace.kind for trace in traces if trace.endpoint == "R0"] == ["time-out"]
    assert [trace.endpoint for trace in traces[:3]] == ["R0", "R1", "R2"]


@pytest.mark.parametrize("count", [1, 4])
def test_no_more_copies_run_at_once_than_is_said_whichever_job_they_are_of(tmp_path, count):
    class Counts(Local):
        running = most = 0
        lock = threading.Lock()

        def copy(self, transfer, deadline, cancel):
            with self.lock:
                Counts.running += 1
                Counts.most = max(Counts.most, Counts.running)
            cancel.wait(0.002)
            facts = super().copy(transfer, deadline, cancel)
            with self.lock:
                Counts.running -= 1
            return facts

    turns, places = Turns(count), []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        places.append(place := Place(tmp_path / str(number), tools=(Counts,)))
        about = QueueData("Q", copytools={"local": {}}, astorages={"default": ("S",)})
        place.engine = Engine({"local": Counts()}, place.engine._storages, about, turns=turns)
        for name in "abcdefgh":
            place.put(name)
    threads = [threading.Thread(target=place.stage_in, args=[given(name) for name in "abcdefgh"]) for place in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [len(list(place.folder.iterdir())) for place in places] == [8, 8]
    assert Counts.most == count


def elsewhere(tmp_path, *, said=None, spoil=lambda tmp_path: (tmp_path / "A").rmdir()):
    place = Place(tmp_path)
    storages = {}
    for name in "AB":
        root = tmp_path / name
        root.mkdir()
        storages[name] = StorageEndpoint(name, False, {"w": (Protocol("file://", str(root)),)})
    queue = QueueData("Q", copytools={"local": {}}, astorages={"write_lan": ("A", "B")})
    place.engine = Engine({"local": Local()}, storages, queue, policy=Policy(2, 0.001))
    spoil(tmp_path)
    (place.folder / "a").write_bytes(CONTENT)
    spec = JobSpec(7, 1, "true", outputs=(made("a"),), alternative_storage=said)
    return place.engine.stage_out(spec, spec.outputs, place.folder, Deadline(30), Cancel())


def test_an_output_goes_to_another_storage_where_that_may_be(tmp_path):
    (stored,) = elsewhere(tmp_path, said=True)
    assert (stored.endpoint, stored.url) == ("B", f"file://{tmp_path}/B/out/a")


def test_an_output_that_no_storage_takes_fails_as_its_own_storage_says(tmp_path):
    def spoil(tmp_path):
        (tmp_path / "A").rmdir()  # it is not mounted
        (tmp_path / "B" / "out").write_bytes(b"")

    failed = fails(ErrorCode.UNREACHABLE_NETWORK, elsewhere, tmp_path, said=True, spoil=spoil)
    assert "A: the storage's folder is not there; mounted?; and elsewhere: " in failed.detail


def test_an_output_whose_name_is_taken_goes_nowhere_else(tmp_path):
    def spoil(tmp_path):
        (tmp_path / "A" / "out").mkdir()
        (tmp_path / "A" / "out" / "a").write_bytes(b"theirs")

    fails(ErrorCode.FILE_EXISTS, elsewhere, tmp_path, said=True, spoil=spoil)
    assert list((tmp_path / "B").iterdir()) == []


def test_an_output_goes_to_no_other_storage_where_that_may_not_be(tmp_path):
    fails(ErrorCode.UNREACHABLE_NETWORK, elsewhere, tmp_path, match="mounted")


def test_a_job_that_ends_is_told_as_such_and_hides_no_failure(place):
    for name in "ab":
        (place.folder / name).write_bytes(CONTENT)
    place.cancel.ask()
    failed = fails(ErrorCode.COPY_CANCELLED, place.stage_out, made("a"), made("b"), match="2 of 2 files failed")
    assert failed.facts["lfns"] == ("a", "b")


def test_what_a_dead_pilot_left_of_outputs_is_removed_and_nothing_else(place):
    (place.storage / "out").mkdir()
    for name in ("a", "a.7-1.part", "a.7-2.part", "b.7-1.part"):
        (place.storage / "out" / name).write_bytes(b"half")
    spec = JobSpec(7, 1, "true")
    place.engine.clear(spec, (made("a"), made("b"), made("c"), made("d", endpoint="X")), Deadline(30))
    assert place.stored() == ["out/a", "out/a.7-2.part"]


def test_what_cannot_be_removed_by_one_way_is_removed_by_the_next(tmp_path):
    class Refuses(Local):
        name = "refuses"

        def remove(self, url, deadline):
            raise CopyFailed(FailureKind.UNREACHABLE, "nobody is there")

    place = Place(tmp_path, tools=(Refuses, Local), acopytools={"default": ("refuses", "local")})
    (place.storage / "out").mkdir()
    (place.storage / "out" / "a.7-1.part").write_bytes(b"half")
    place.engine.clear(JobSpec(7, 1, "true"), (made("a"),), Deadline(30))
    assert place.stored() == []


@pytest.mark.parametrize("what", ["stat", "checksum", "rename"])
def test_a_job_that_ends_waits_for_no_answer_of_a_storage(tmp_path, what):
    begun = threading.Event()

    def hangs(tool, *arguments):
        begun.set()
        run(["sleep", "60"], arguments[-1])

    tool = type("Hangs", (Local,), {what: hangs})(Settings(copy=Copy(read_back="always")))
    place = Place(tmp_path, tools=(tool,), use="local")
    place.slow_down()
    (place.folder / "a").write_bytes(CONTENT)
    thread = threading.Thread(target=lambda: begun.wait(10) and place.cancel.ask())
    thread.start()
    at = time.monotonic()
    fails(ErrorCode.COPY_CANCELLED, place.stage_out, made("a"))
    thread.join()
    assert time.monotonic() - at < 10
    assert place.stored() == []


def test_copies_of_a_job_that_ends_are_all_given_up_at_once_and_leave_nothing(tmp_path):
    class Hangs(Local):
        begun = threading.Barrier(5)

        def copy(self, transfer, deadline, cancel):
            path_of(transfer.target).parent.mkdir(exist_ok=True)
            path_of(transfer.target).write_bytes(b"half")
            self.begun.wait(10)
            cancel.wait(60)
            raise CopyCancelled

    place = Place(tmp_path, tools=(Hangs,))
    about = QueueData("Q", copytools={"local": {}}, astorages={"default": ("S",)})
    place.engine = Engine({"local": Hangs()}, place.engine._storages, about, turns=Turns(4))
    names = [f"f{number}" for number in range(20)]
    for name in names:
        (place.folder / name).write_bytes(CONTENT)

    def stop():
        Hangs.begun.wait(10)
        place.cancel.ask()

    stopping = threading.Thread(target=stop)
    stopping.start()
    failed = fails(ErrorCode.COPY_CANCELLED, place.stage_out, *map(made, names), match="20 of 20 files failed")
    stopping.join(10)
    assert len(failed.facts["lfns"]) == 20
    assert place.stored() == []
