"""Inputs that a payload reads where they lie."""

from __future__ import annotations

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.queue import Protocol, QueueData, StorageEndpoint
from pilot.copytool import direct
from pilot.copytool.attempts import Policy
from pilot.copytool.base import Cancel, CopyFailed, Deadline, FailureKind
from pilot.copytool.engine import Engine
from pilot.copytool.local import Local
from pilot.copytool.routes import Route
from pilot.errors import JobFailed

FILE = FileSpec("a.root", Role.INPUT, "scope", "in", size=5, guid="G")
LOCAL = Local()


def job(*arguments, **more):
    return JobSpec(7, 1, "true", arguments, **more)


@pytest.mark.parametrize(
    ("spec", "wants"),
    [
        (job(), False),
        (job(direct=True), True),
        (job(label="user"), True),
        (job(label="panda"), True),
        (job("--accessmode=direct"), True),
        (job("--accessmode=copy", direct=True), False),
        (job("--accessmode=copy", "--accessmode=direct"), False),
        (job("--useLocalIO", direct=True), False),
        (job("--accessmode=other"), False),
    ],
)
def test_a_job_says_whether_it_wants_to_read_remotely(spec, wants):
    assert direct.wanted(spec, FILE) is wants


@pytest.mark.parametrize("name", ["run.raw", "cdr-1.raw.gz", "x.tar.gz", "user.LIB.TGZ", "a.RAW.1"])
def test_what_is_no_root_file_by_its_name_is_copied(name):
    assert not direct.wanted(job(direct=True), FILE.evolve(lfn=name))


def test_a_file_that_is_to_be_copied_is():
    assert not direct.wanted(job("--accessmode=direct"), FILE.evolve(copied=True))


def way(scheme, *, far=False):
    return Route(LOCAL, f"{scheme}://h/a.root", "A", "", far=far)


NEAR, FAR = (way("root"), way("gsiftp"), way("davs")), (way("root", far=True), way("davs", far=True))


@pytest.mark.parametrize(
    ("lan", "wan", "found"),
    [
        (False, False, []),
        (True, False, [NEAR[0], NEAR[2]]),
        (False, True, [FAR[0]]),
        (True, True, [NEAR[0], NEAR[2], FAR[0]]),
    ],
)
def test_a_queue_says_from_where_its_payloads_read_and_schemes_how(lan, wan, found):
    queue = QueueData("Q", direct_access_lan=lan, direct_access_wan=wan)
    assert direct.ways(job(direct=True), FILE, queue, (*NEAR, *FAR)) == found
    assert direct.ways(job(), FILE, queue, (*NEAR, *FAR)) == []


# Handed to the payload.


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a.root", "URL"),
        ("--in=a.root", "--in=URL"),
        ("--in=./a.root,b.root", "--in=URL,b.root"),
        ("['a.root', 'a.root']", "['URL', 'URL']"),
        ("other/a.root", "other/a.root"),
        ("a.root.1", "a.root.1"),
        ("a.root~", "a.root~"),
        ("a.root+b.root", "a.root+b.root"),
        ("x%a.root", "x%a.root"),
        ("a.root:tree", "URL:tree"),
        ("xa.root", "xa.root"),
        ("aXroot", "aXroot"),
    ],
)
def test_the_address_stands_where_the_name_stood_alone(before, after):
    assert direct.with_addresses([before], {"a.root": "URL"}) == (after,)


def test_nothing_is_rewritten_when_all_was_copied():
    assert direct.with_addresses(["a.root"], {}) == ("a.root",)


def test_an_address_is_not_searched_for_other_names():
    found = direct.with_addresses(["a b"], {"a": "root://b//a", "b": "B"})
    assert found == ("root://b//a B",)


# By the engine.


class Scene:
    def __init__(self, tmp_path, *tools, **queue):
        self.folder, self.storage, self.traces = tmp_path / "job", tmp_path / "storage", []
        (self.storage / "in").mkdir(parents=True)
        self.folder.mkdir()
        (self.storage / "in" / "a.root").write_bytes(b"hello")
        storages = {
            name: StorageEndpoint(name, False, {"r": (Protocol("file://", str(folder)),)})
            for name, folder in (("A", self.storage), ("B", tmp_path / "gone"))
        }
        about = QueueData(
            "Q", copytools={"local": {}}, astorages={"r": ("B", "A")}, **{"direct_access_lan": True, **queue}
        )
        policy = Policy(2, 0.001, open_time=0.2)
        tool = tools[0] if tools else Local()
        self.engine = Engine({"local": tool}, storages, about, policy=policy, on_trace=self.traces.append)

    def stage_in(self, *files, cancel=None):
        spec = job(direct=True, inputs=files or (FILE,))
        return self.engine.stage_in(spec, self.folder, Deadline(30), cancel or Cancel())


def test_an_input_that_is_read_where_it_lies_is_looked_for_and_not_copied(tmp_path):
    scene = Scene(tmp_path)
    (found,) = scene.stage_in()
    assert (found.direct, found.url, found.endpoint) == (True, f"file://{scene.storage}/in/a.root", "A")
    assert (found.size, found.guid) == (5, "G")
    assert list(scene.folder.iterdir()) == []
    assert [(trace.endpoint, trace.direct, trace.well) for trace in scene.traces] == [
        ("B", True, False),
        ("A", True, True),
    ]


def test_inputs_that_are_not_copied_need_no_room_and_count_against_no_limit(tmp_path):
    scene = Scene(tmp_path, max_input_size=5)
    (scene.storage / "in" / "b.raw").write_bytes(b"hello")
    huge = FILE.evolve(size=2**60)
    with pytest.raises(JobFailed) as caught:
        scene.stage_in(huge, FILE.evolve(lfn="b.raw"))
    assert caught.value.code is ErrorCode.REMOTE_FILE_NOT_OPENED  # and neither 1168 nor 1098
    assert [path.name for path in scene.folder.iterdir()] == ["b.raw"]


@pytest.mark.parametrize(
    ("wrong", "code", "words"),
    [
        (CopyFailed(FailureKind.PERMISSION, "not yours"), ErrorCode.REMOTE_FILE_NOT_OPENED, "not yours"),
        (CopyFailed(FailureKind.TIMEOUT, "late"), ErrorCode.REMOTE_OPEN_TIMED_OUT, "late"),
        (None, ErrorCode.REMOTE_FILE_NOT_OPENED, "is not there"),
    ],
)
def test_an_input_that_does_not_open_has_codes_of_its_own(tmp_path, wrong, code, words):
    class Wrong(Local):
        def stat(self, url, deadline):
            assert deadline.left() <= 0.2
            if wrong is not None:
                raise wrong

    with pytest.raises(JobFailed, match=words) as caught:
        Scene(tmp_path, Wrong()).stage_in()
    assert caught.value.code is code


def test_a_job_that_ends_is_told_so(tmp_path):
    cancel = Cancel()
    cancel.ask()

    class Asked(Local):
        def stat(self, url, deadline):
            raise CopyFailed(FailureKind.UNREACHABLE, "no")

    with pytest.raises(JobFailed, match="was not looked for"):
        Scene(tmp_path, Asked()).stage_in(cancel=cancel)


def test_an_input_that_several_datasets_hold_is_brought_once(tmp_path):
    scene = Scene(tmp_path, direct_access_lan=False)
    assert len(scene.stage_in(FILE, FILE.evolve(dataset="other"))) == 1
    assert len([trace for trace in scene.traces if trace.well]) == 1


def test_two_inputs_of_one_name_are_refused(tmp_path):
    with pytest.raises(JobFailed, match="of scope scope and of scope other") as caught:
        Scene(tmp_path).stage_in(FILE, FILE.evolve(scope="other"))
    assert caught.value.code is ErrorCode.BAD_JOB_DEFINITION
