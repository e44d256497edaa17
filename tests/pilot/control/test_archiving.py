from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
import zlib
from dataclasses import replace

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import Archive, FileSpec, JobSpec, Role
from pilot.contract.messages import StoredFile
from pilot.control import archiving
from pilot.control.archiving import PART, Patience, inside, make
from pilot.control.lifecycle import Effect, Event
from pilot.control.news import Stored
from pilot.copytool.base import Cancel, Deadline
from pilot.errors import JobFailed

CONTENTS = {"a.root": b"events " * 50_000, "b.root": b"more"}
#: It begins when this module is read, which may be long before its tests are run.
PATIENCE = Patience(Deadline(1e6), Cancel())


def job(name="one.zip", members=("a.root", "b.root"), **more):
    outputs = tuple(FileSpec(lfn, Role.OUTPUT, dataset="ds") for lfn in (name, *members))
    return JobSpec(id=7, attempt=1, transformation="true", outputs=outputs, archives=(Archive(name, members),), **more)


@pytest.fixture
def folder(tmp_path):
    for name, content in CONTENTS.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def adler(content):
    return f"adler32:{zlib.adler32(content):08x}"


def fails(code, *arguments, match=None):
    with pytest.raises(JobFailed, match=match) as caught:
        make(*arguments)
    assert caught.value.code is code


def test_a_zip_holds_its_members_as_they_are(folder):
    made = make(job(), folder, (), PATIENCE)
    assert [(one.lfn, one.size, one.checksum) for one in made["one.zip"]] == [
        (name, len(content), adler(content)) for name, content in CONTENTS.items()
    ]
    with zipfile.ZipFile(folder / "one.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == CONTENTS
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.testzip() is None
    assert (folder / "one.zip").stat().st_mode & 0o777 == 0o644
    assert sorted(path.name for path in folder.iterdir()) == ["a.root", "b.root", "one.zip"]


def test_a_tar_holds_its_members_as_they_are(folder):
    made = make(job("one.tar.2"), folder, (), PATIENCE)
    assert [one.checksum for one in made["one.tar.2"]] == [adler(content) for content in CONTENTS.values()]
    with tarfile.open(folder / "one.tar.2", "r:") as archive:
        assert {name: archive.extractfile(name).read() for name in archive.getnames()} == CONTENTS


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("one.zip", "2073e2e38e71283a9faeda31e49dfdfacf9a27b10619f0c3f578ec9e9fc57132"),
        ("one.tar", "96a7413b1a24f1d300d53d49049023b18e3545514b86099d7e88fe47781a3a60"),
    ],
)
def test_every_python_makes_the_same_bytes_of_the_same_members(folder, name, digest):
    """A pilot that takes a dead one's job over finds its archive on the storage, and knows it."""
    make(job(name), folder, (), PATIENCE)
    assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


def test_whatever_has_an_archives_name_is_replaced(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "treasure"
    elsewhere.write_text("mine")
    for name in ("one.zip", PART):
        (folder / name).symlink_to(elsewhere)
    make(job(), folder, (), PATIENCE)
    assert zipfile.is_zipfile(folder / "one.zip")
    assert not (folder / "one.zip").is_symlink()
    (folder / "one.zip").unlink()
    (folder / "one.zip").mkdir()
    make(job(), folder, (), PATIENCE)
    assert zipfile.is_zipfile(folder / "one.zip")
    assert elsewhere.read_text() == "mine"


def test_a_member_that_is_missing_or_empty_fails_with_its_code(folder):
    (folder / "b.root").write_bytes(b"")
    fails(ErrorCode.ZERO_FILE_SIZE, job(), folder, (), PATIENCE, match=r"b\.root is empty")
    (folder / "b.root").unlink()
    fails(ErrorCode.OUTPUT_MISSING, job(), folder, (), PATIENCE, match=r"b\.root was not written")
    assert not (folder / "one.zip").exists()


def test_a_member_that_may_be_missing_is_passed_over(folder):
    (folder / "b.root").unlink()
    made = make(job(allow_no_output=("b.root",)), folder, (), PATIENCE)
    assert [one.lfn for one in made["one.zip"]] == ["a.root"]


def test_an_archive_with_nothing_in_it_is_missing_unless_it_may_be(folder):
    for name in CONTENTS:
        (folder / name).unlink()
    words = r"one\.zip has nothing in it: none of a\.root, b\.root was written"
    fails(ErrorCode.OUTPUT_MISSING, job(allow_no_output=tuple(CONTENTS)), folder, (), PATIENCE, match=words)
    assert make(job(allow_no_output=(*CONTENTS, "one.zip")), folder, (), PATIENCE) == {}


def test_an_archive_that_is_stored_is_not_made_again_unless_a_member_was_not_told(folder):
    told = [StoredFile(name, 1, None) for name in ("one.zip", *CONTENTS)]
    assert make(job(), folder, told, PATIENCE) == {}
    assert list(make(job(), folder, told[:2], PATIENCE)) == ["one.zip"]
    assert list(make(job(), folder, told[1:], PATIENCE)) == ["one.zip"]


def test_an_archive_needs_room_besides_its_members(folder, monkeypatch):
    monkeypatch.setattr(archiving, "free_on", lambda folder: 1000)
    words = "one.zip takes 350004 bytes besides its members, .* has room for 1000"
    fails(ErrorCode.NO_LOCAL_SPACE, job(), folder, (), PATIENCE, match=words)


def test_a_job_that_is_ended_or_out_of_time_leaves_nothing_half(folder):
    cancel = Cancel()
    cancel.ask()
    fails(ErrorCode.COPY_CANCELLED, job(), folder, (), Patience(Deadline(60.0), cancel))
    for name in ("one.zip", "one.tar"):
        fails(ErrorCode.STAGE_OUT_TIMEOUT, job(name), folder, (), Patience(Deadline(0.0), Cancel()))
    assert sorted(path.name for path in folder.iterdir()) == ["a.root", "b.root"]


@pytest.mark.parametrize("name", ["one.zip", "one.tar"])
@pytest.mark.parametrize("change", [b"", b"a" * 10**6])
def test_a_member_that_somebody_still_writes_to_fails_the_job(folder, name, change):
    class Meanwhile(Patience):
        def check(self, name):
            (folder / "b.root").write_bytes(change)

    patience = Meanwhile(Deadline(60.0), Cancel())
    fails(ErrorCode.FILE_HANDLING, job(name), folder, (), patience, match=f"{name} cannot be put together")
    assert sorted(path.name for path in folder.iterdir()) == ["a.root", "b.root"]


def test_an_archive_that_cannot_be_read_out_of_a_full_disk_is_told_as_that(folder):
    class Full(Patience):
        def check(self, name):
            raise OSError(28, "No space left on device")

    fails(ErrorCode.NO_LOCAL_SPACE, job(), folder, (), Full(Deadline(60.0), Cancel()), match="No space left")


def test_a_member_lies_where_its_archive_does_and_on_no_storage_by_itself():
    archive = StoredFile("one.zip", 9, "adler32:00000001", "G", "root://se//one.zip", "SE")
    member = inside(archive, StoredFile("a.root", 3, "adler32:00000002", "H"))
    assert member == StoredFile("a.root", 3, "adler32:00000002", "H", "root://se//one.zip", "")


# Through the data control.


def on(bench, **more):
    spec = job(log=FileSpec("job.log.tgz", Role.LOG, dataset="ds"), **more)
    spec = replace(spec, outputs=(*spec.outputs, FileSpec("c.root", Role.OUTPUT, dataset="ds")))
    place = bench.make(spec)
    for name, content in {**CONTENTS, "c.root": b"alone"}.items():
        (place / name).write_bytes(content)
    return spec, place


def told(bench):
    return {one.file.lfn: one.file for one in bench.told if isinstance(one, Stored)}


def test_an_archive_is_stored_in_the_place_of_its_members_and_all_are_told(bench):
    spec, _ = on(bench)
    bench.data().stage_out(bench.work(Effect.STAGE_OUT, spec))
    assert sorted(path.name for path in (bench.storage / "ds").iterdir()) == ["c.root", "one.zip"]
    files = told(bench)
    assert set(files) == {"one.zip", "a.root", "b.root", "c.root"}
    stored = (bench.storage / "ds" / "one.zip").read_bytes()
    assert files["one.zip"].checksum == adler(stored)
    assert zipfile.ZipFile(io.BytesIO(stored)).read("b.root") == b"more"
    assert {files[name].url for name in CONTENTS} == {files["one.zip"].url}
    assert (files["a.root"].checksum, files["a.root"].endpoint) == (adler(CONTENTS["a.root"]), "")
    assert len({file.guid for file in files.values()}) == 4
    assert bench.told[-1].event is Event.OUTPUT_STORED


@pytest.mark.parametrize("known", [(), ("one.zip",), ("one.zip", "a.root"), ("c.root",)])
def test_a_pilot_that_takes_over_after_a_kill_stores_and_tells_what_is_left(bench, known):
    """The other one was killed when it had stored all, and had told so much."""
    spec, place = on(bench)
    bench.data().stage_out(bench.work(Effect.STAGE_OUT, spec))
    first = told(bench)
    before = (bench.storage / "ds" / "one.zip").stat().st_mtime_ns
    bench.told.clear()
    (place / PART).write_bytes(b"half")
    work = bench.work(Effect.STAGE_OUT, spec)
    job = work.job.evolve(stored=tuple(first[lfn] for lfn in known))
    bench.data().stage_out(work._replace(job=job))
    again = told(bench)
    assert set(first) == {*known, *again}
    assert {lfn: (file.size, file.checksum, file.url) for lfn, file in again.items()} == {
        lfn: (first[lfn].size, first[lfn].checksum, first[lfn].url) for lfn in again
    }
    assert (bench.storage / "ds" / "one.zip").stat().st_mtime_ns == before
    assert not (place / PART).exists()


def test_neither_an_archive_nor_what_is_in_it_is_stored_before_the_payload_has_ended(bench):
    spec, place = on(bench)
    (place / "one.zip").write_text("not yet")
    bench.data().store_early(bench.work(Effect.RUN_PAYLOAD, spec), spec.outputs, Cancel())
    assert list(told(bench)) == ["c.root"]


def test_the_log_holds_no_half_archive(bench):
    spec, place = on(bench)
    (place / PART).write_text("half")
    bench.data().stage_log(bench.work(Effect.STAGE_LOG, spec))
    with tarfile.open(bench.storage / "ds" / "job.log.tgz") as packed:
        assert [name for name in packed.getnames() if name.endswith((PART, ".root", ".zip"))] == []
