"""Outputs that are stored while their payload runs."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, Role
from pilot.control.early import Early, finished
from pilot.control.lifecycle import Effect, Event
from pilot.control.news import Stored
from pilot.copytool.base import Cancel
from pilot.errors import JobFailed

A, B = (FileSpec(name, Role.OUTPUT, dataset="ds") for name in ("a.txt", "b.txt"))
LIST = "finished_outputs.txt"
#: Waits, for at most ten seconds, until the first output is stored.
WAITS = "n=0; while [ ! -e {stored} ] && [ $n -lt 200 ]; do sleep 0.05; n=$((n+1)); done; [ -e {stored} ]"


class Scene:
    """A payload as it runs, by hand: what it writes, and what is stored meanwhile."""

    def __init__(self, bench, **more):
        self.bench, self.spec = bench, bench.spec(outputs=(A, B), **more)
        self.work = bench.work(Effect.RUN_PAYLOAD, self.spec)
        self.folder, self.data, self.cancel = bench.make(self.spec), bench.data(), Cancel()
        self.asked, self._stored = [], threading.Event()

    def store(self, work, files, cancel):
        self.asked.append([file.lfn for file in files])
        try:
            self.data.store_early(work, files, cancel)
        finally:
            self._stored.set()

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def running(self):
        return Early(self.store).beside(self.work, self.folder, self.cancel)

    def wait(self):
        assert self._stored.wait(10)
        self._stored.clear()

    def stored(self):
        return {path.name: path.read_text() for path in self.bench.storage.glob("ds/*")}

    def stage_out(self):
        told = tuple(item.file for item in self.bench.told if isinstance(item, Stored))
        work = self.work._replace(job=self.work.job.evolve(stored=told))
        self.data.stage_out(work)


def test_an_output_is_stored_when_it_is_named_and_not_again_at_the_end(bench):
    scene = Scene(bench)
    with scene.running():
        scene.write("a.txt", "one")
        scene.write(LIST, "a.txt\n")
        scene.wait()
        assert scene.stored() == {"a.txt": "one"}
        assert [item.file.lfn for item in bench.told if isinstance(item, Stored)] == ["a.txt"]
    scene.write("b.txt", "two")
    scene.stage_out()
    assert scene.stored() == {"a.txt": "one", "b.txt": "two"}
    assert [item.file.lfn for item in bench.told if isinstance(item, Stored)] == ["a.txt", "b.txt"]
    assert sorted(path.name for path in bench.base.iterdir()) == ["PanDA_Pilot-7-1"]


def test_names_are_read_as_they_are_appended_and_from_a_list_that_was_replaced(bench):
    scene = Scene(bench)
    with scene.running():
        scene.write("a.txt", "one")
        scene.write("b.txt", "two")
        with (scene.folder / LIST).open("a") as listed:
            listed.write("other\na.txt\nb.t")
            listed.flush()
            scene.wait()
            assert scene.stored() == {"a.txt": "one"}
        scene.write("list", "a.txt\nb.txt\n")
        (scene.folder / "list").replace(scene.folder / LIST)
        scene.wait()
    assert scene.asked == [["a.txt"], ["b.txt"]]
    assert scene.stored() == {"a.txt": "one", "b.txt": "two"}


def test_a_line_without_its_end_is_no_name_yet():
    assert finished(b"a\n b \nc") == ["a", "b"]
    assert finished(b"") == []


def test_what_a_payload_changes_after_it_was_stored_fails_the_job(bench):
    scene = Scene(bench)
    with scene.running():
        scene.write("a.txt", "one")
        scene.write(LIST, "a.txt\n")
        scene.wait()
    scene.write("a.txt", "another")
    scene.write("b.txt", "two")
    with pytest.raises(JobFailed, match="another content") as caught:
        scene.stage_out()
    assert caught.value.code is ErrorCode.FILE_EXISTS


@pytest.mark.parametrize("what", ["link", "folder", "nothing", "empty"])
def test_what_is_no_output_is_left_to_the_end(bench, what):
    scene = Scene(bench)
    (bench.base / "secret").write_text("secret")
    with scene.running():
        if what == "link":
            (scene.folder / "a.txt").symlink_to("../secret")
        elif what == "folder":
            (scene.folder / "a.txt").mkdir()
        elif what == "empty":
            scene.write("a.txt", "")
        scene.write(LIST, "a.txt\n")
        scene.wait()
    assert scene.stored() == {}


def test_a_list_that_is_a_link_is_not_read(bench):
    scene = Scene(bench)
    scene.write("a.txt", "one")
    (scene.folder / "elsewhere").write_text("a.txt\n")
    with scene.running():
        (scene.folder / LIST).symlink_to("elsewhere")
    assert scene.asked == []


def test_what_finds_no_room_for_its_second_name_is_left_to_the_end_and_what_is_named_later_is_not(bench, monkeypatch):
    scene = Scene(bench)

    def full(**_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with scene.running():
        scene.write("a.txt", "one")
        with monkeypatch.context() as disk:
            disk.setattr("tempfile.TemporaryDirectory", full)
            scene.write(LIST, "a.txt\n")
            scene.wait()
        scene.write("b.txt", "two")
        scene.write(LIST, "a.txt\nb.txt\n")
        scene.wait()
    assert scene.stored() == {"b.txt": "two"}


@pytest.mark.parametrize("how", ["ends", "is stopped"])
def test_a_copy_that_is_under_way_when_the_payload_ends_is_given_up(bench, how):
    scene, begun, seen = Scene(bench), threading.Event(), []

    def hangs(work, files, cancel):
        begun.set()
        seen.append(cancel.wait(30))

    scene.store = hangs
    with Early(hangs).beside(scene.work, scene.folder, scene.cancel):
        scene.write(LIST, "a.txt\n")
        assert begun.wait(10)
        if how == "is stopped":
            scene.cancel.ask()
    assert seen == [True]


@pytest.mark.parametrize("more", [{"events": True}, {"iterative": True}, {"outputs": ()}])
def test_jobs_that_store_in_another_way_are_not_watched(bench, more):
    spec = bench.spec(**{"outputs": (A,), **more})
    before = threading.active_count()
    with Early(lambda *_: None).beside(bench.work(Effect.RUN_PAYLOAD, spec), bench.make(spec), Cancel()):
        assert threading.active_count() == before


def test_no_descriptor_stays_open(bench):
    scene = Scene(bench)
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    with scene.running():
        pass
    assert len(list(descriptors.iterdir())) == before


def test_a_real_payload_finds_its_first_output_stored_while_it_runs(bench):
    waits = WAITS.format(stored=bench.storage / "ds" / "a.txt")
    script = f"echo one > a.txt; echo a.txt >> {LIST}; {waits} && echo two > b.txt"
    spec = bench.spec("/bin/sh", "-c", script, outputs=(A, B))
    bench.make(spec)
    control, data = bench.payload(), bench.data()
    control.beside = Early(data.store_early).beside
    control.run(bench.work(Effect.RUN_PAYLOAD, spec))
    assert bench.told[-1].event is Event.PAYLOAD_OK
