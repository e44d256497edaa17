"""`StageIn` and `StageOut` with real copy tools and real folders; other storages are the tools' own tests."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import zlib
from dataclasses import replace

import pytest

from pilot import settings
from pilot.api import data
from pilot.api.data import StageIn, StageOut, State
from pilot.api.staging import Item
from pilot.contract.job import FileSpec, Role
from pilot.contract.queue import QueueData, local_storage
from pilot.copytool.base import Cancel
from pilot.errors import ConfigError
from tests.pilot.api.staging_site import Site
from tests.pilot.api.test_public import ROOT
from tests.pilot.api.test_public import run as run_page

CONTENT = b"a muon on its way\n" * 100
SUM = f"adler32:{zlib.adler32(CONTENT):08x}"


def with_path():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def large_file(site):
    """Store a file that takes minutes to copy; it has holes only."""
    with (site.store / "large").open("wb") as file:
        file.truncate(2**34)


def program(site, *lines):
    """Answer the words of a program that has a ``stage`` for a large file."""
    large_file(site)
    begin = (
        "import json, os, signal, sys",
        "from pilot.api.data import StageIn",
        "stage = StageIn(*json.loads(sys.argv[1]))",
    )
    return [sys.executable, "-c", "\n".join([*begin, *lines]), json.dumps([site.queue, site.storages])]


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def stage_in(site, **options):
    return StageIn(site.queue, site.storages, settings=site.settings, **options)


def stage_out(site, **options):
    return StageOut(site.queue, site.storages, settings=site.settings, **options)


def test_files_are_brought_to_a_folder_that_is_made(site, tmp_path):
    names = [site.has(f"f{number}", CONTENT) for number in range(5)]
    results = stage_in(site).run(names, tmp_path / "deep" / "in")
    assert results.well
    assert {path.name: path.read_bytes() for path in (tmp_path / "deep" / "in").iterdir()} == dict.fromkeys(
        names, CONTENT
    )


def test_tools_that_are_to_run_in_a_container_that_there_is_not_move_nothing(site, tmp_path):
    site.queue = {**site.queue, "container_type": "container:middleware"}
    with pytest.raises(ConfigError, match="copy.image names none"):
        stage_in(site).run([site.has("a", CONTENT)], tmp_path / "in")


def test_a_result_says_all_that_is_known(site, tmp_path):
    site.has("ds/a", CONTENT)
    (result,) = stage_in(site).run([{"lfn": "a", "dataset": "ds", "checksum": SUM, "guid": "G"}], str(tmp_path / "in"))
    assert result.file == FileSpec("a", Role.INPUT, dataset="ds", checksum=SUM, guid="G")
    assert (result.state, result.code, result.words, result.size) == (State.DONE, 0, "", len(CONTENT))
    assert (result.tool, result.endpoint, result.checksum, result.guid) == ("local", "DISK", SUM, "G")
    assert (result.source, result.target) == (f"file://{site.store}/ds/a", str(tmp_path / "in" / "a"))
    assert result.attempts == 1
    assert 0 < result.seconds < 30
    assert json.loads(json.dumps(result.as_dict()))["state"] == "done"


def test_each_failure_has_its_code_and_the_others_arrive(site, tmp_path):
    site.has("good", CONTENT)
    site.has("short", CONTENT[:5])
    site.has("flipped", b"x" * len(CONTENT))
    facts = {"size": len(CONTENT), "checksum": SUM}
    files = [{"lfn": name, **facts} for name in ("gone", "short", "good", "flipped")]
    results = stage_in(site).run([*files, {"lfn": "elsewhere", "endpoint": "TAPE"}], tmp_path / "in")
    assert [result.code for result in results] == [1331, 1915, 0, 1171, 1133]
    assert [result.attempts for result in results] == [1, 1, 1, 1, 0]
    assert results[0].words.startswith("gone: ")
    assert (results[0].tool, results[0].source) == ("local", f"file://{site.store}/gone")
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["good"]


def test_what_may_pass_is_tried_again_and_counted(site, tmp_path):
    site.has("flipped", b"x" * len(CONTENT))
    site.settings = settings.load([("test", {"copy": {"attempts": 2}})]).settings
    (result,) = stage_in(site).run([{"lfn": "flipped", "checksum": SUM}], tmp_path / "in")
    assert result.attempts == 2


def test_files_are_stored_and_found_again(site, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(CONTENT)
    files = [{"lfn": name, "dataset": "ds"} for name in ("a", "b")]
    results = stage_out(site).run(files, tmp_path)
    assert results.well
    assert (site.store / "ds" / "b").read_bytes() == CONTENT
    assert (results[0].source, results[0].target) == (str(tmp_path / "a"), f"file://{site.store}/ds/a")
    assert (results[0].checksum, results[0].size, len(results[0].guid)) == (SUM, len(CONTENT), 36)
    assert stage_out(site).run(files, tmp_path).well  # the same content counts as stored


def test_what_cannot_be_stored_has_its_code_and_nothing_is_replaced(site, tmp_path):
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "other").write_bytes(CONTENT)
    (tmp_path / "good").write_bytes(CONTENT)
    site.has("other", b"somebody else's")
    results = stage_out(site).run(["empty", "gone", "folder", "other", "good"], tmp_path)
    assert [result.code for result in results] == [1191, 1165, 1165, 1221, 0]
    assert (site.store / "other").read_bytes() == b"somebody else's"
    assert sorted(path.name for path in site.store.iterdir()) == ["good", "other"]


def test_a_storage_may_be_named_for_all_files(site, tmp_path):
    (tmp_path / "tape").mkdir()
    site.storages["TAPE"] = local_storage("TAPE", str(tmp_path / "tape"))
    (tmp_path / "a").write_bytes(CONTENT)
    assert stage_out(site, storage="TAPE").run(["a"], tmp_path)[0].endpoint == "TAPE"
    assert (tmp_path / "tape" / "a").is_file()


def test_a_tool_may_be_named_instead_of_the_queues(site, tmp_path):
    site.has("a", CONTENT)
    (result,) = stage_in(site, tools=["symlink"]).run(["a"], tmp_path / "in")
    assert result.tool == "symlink"
    assert (tmp_path / "in" / "a").is_symlink()


def test_what_a_queue_says_of_users_jobs_holds_for_their_files(site, tmp_path):
    (tmp_path / "mine").mkdir()
    site.storages["MINE"] = local_storage("MINE", str(tmp_path / "mine"), ("read_lan", "read_lan_analysis"))
    site.queue = {**site.queue, "astorages": {"default": ["DISK"], "read_lan_analysis": ["MINE"]}}
    (tmp_path / "mine" / "a").write_bytes(CONTENT)
    assert stage_in(site, label="user").run(["a"], tmp_path / "in")[0].endpoint == "MINE"


def test_the_limit_for_a_jobs_inputs_holds_for_no_file_by_hand(site, tmp_path):
    site.has("a", CONTENT)
    site.queue = replace(QueueData.from_wire(site.queue), max_input_size=5)
    assert stage_in(site).run([{"lfn": "a", "size": len(CONTENT)}], tmp_path / "in").well


def test_a_file_is_copied_where_jobs_would_read_it_remotely(site, tmp_path):
    site.has("a", CONTENT)
    site.queue = {**site.queue, "direct_access_lan": True}
    assert stage_in(site).run(["a"], tmp_path / "in").well
    assert (tmp_path / "in" / "a").read_bytes() == CONTENT


def test_two_thousand_files_arrive(site, tmp_path):
    names = [site.has(f"f{number:04}", b"%d" % number) for number in range(2000)]
    told = []
    results = stage_in(site, at_once=8).run(names, tmp_path / "in", on_file=told.append)
    assert results.well
    assert len(told) == 2000
    assert len(list((tmp_path / "in").iterdir())) == 2000
    assert (tmp_path / "in" / "f1234").read_bytes() == b"1234"


@pytest.mark.parametrize("stage", [StageIn, StageOut])
def test_given_up_in_the_middle_no_half_file_is_left(site, tmp_path, stage):
    here, there = (site.store, tmp_path / "in") if stage is StageIn else (tmp_path / "out", site.store)
    for folder in (here, there):
        folder.mkdir(exist_ok=True)
    with (here / "large").open("wb") as file:
        file.truncate(2**34)  # it has holes only, and takes minutes to copy
    moving = threading.Event()
    with stage(site.queue, site.storages, settings=site.settings).start(
        ["large"], tmp_path / ("in" if stage is StageIn else "out"), on_progress=lambda _: moving.set()
    ) as staging:
        assert moving.wait(30)
        while not list(there.iterdir()):
            assert not staging.done()
        staging.cancel()
        (result,) = staging.result(30)
    assert (result.state, result.code) == (State.CANCELLED, 1912)
    assert list(there.iterdir()) == []


def test_items_are_given_up_when_what_came_with_them_is_asked(site, tmp_path):
    large_file(site)
    cancel = Cancel()
    items = [Item(FileSpec("large", Role.INPUT), tmp_path)]
    staging = stage_in(site).start_items(items, cancel=cancel, on_progress=lambda _: cancel.ask())
    assert [result.state for result in staging.result(30)] == [State.CANCELLED]


def test_an_interrupt_as_soon_as_anything_moves_gives_up(site, tmp_path):
    words = program(
        site,
        "once = iter([signal.SIGINT])",
        "stage.run(['large'], 'in', on_progress=lambda _: [os.kill(os.getpid(), number) for number in once])",
    )
    done = subprocess.run(words, cwd=tmp_path, env=with_path(), timeout=60, capture_output=True, text=True)
    assert done.returncode != 0  # one that comes while a lock is taken again, threading may tell as an error of its own
    assert "KeyboardInterrupt" in done.stderr
    assert list((tmp_path / "in").iterdir()) == []


def test_bytes_on_their_way_count(site, tmp_path):
    large_file(site)
    with stage_in(site).start([{"lfn": "large", "size": 2**30}], tmp_path / "in") as staging:
        while not staging.progress().bytes_done:
            assert not staging.done()
        assert staging.progress().bytes_total == 2**30


def test_a_full_disk_fails_what_has_no_room_and_leaves_the_rest(site, small_disk):
    site.has("small", b"x" * 1000)
    site.has("large", b"x" * 100_000)
    results = stage_in(site, at_once=1).run(["large", "small"], small_disk / "in")
    assert [result.code for result in results] == [1098, 0]
    assert [path.name for path in (small_disk / "in").iterdir()] == ["small"]


def test_a_storage_without_room_is_told_by_its_own_code(site, tmp_path, small_disk):
    site.storages["DISK"] = local_storage("DISK", str(small_disk))
    (tmp_path / "large").write_bytes(b"x" * 100_000)
    (result,) = stage_out(site).run(["large"], tmp_path)
    assert result.code == 1333
    assert list(small_disk.iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_told_by_each_file(site, tmp_path):
    site.has("a", CONTENT)
    (result,) = stage_in(site).run(["a"], "/proc")  # where not even root may
    assert (result.state, result.code) == (State.FAILED, 1199)
    assert result.words.startswith("/proc takes no file: ")
    (tmp_path / "in" / "a" / "b").mkdir(parents=True)
    (result,) = stage_in(site).run(["a"], tmp_path / "in")
    assert (result.state, result.code) == (State.FAILED, 1221)
    assert f"{tmp_path}/in/a could not be made: Is a directory" in result.words
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["a"]


@pytest.mark.parametrize("folder", [None, 7, "", b"in", "in\0", "\ud800"])
def test_what_is_no_folder_is_told(site, folder):
    site.has("a")
    with pytest.raises(ConfigError, match="folder: "):
        stage_in(site).start(["a"], folder)


def test_a_folder_that_cannot_be_made_or_is_none_is_told(site, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="folder: .*file/in cannot be made: Not a directory; give one"):
        stage_in(site).start(["a"], tmp_path / "file" / "in")
    with pytest.raises(ConfigError, match="folder: .*gone is not a folder; give the one in which the files lie"):
        stage_out(site).start(["a"], tmp_path / "gone")


@pytest.mark.parametrize("name", ["on_file", "on_progress"])
def test_what_cannot_be_called_is_no_callback(site, tmp_path, name):
    with pytest.raises(ConfigError, match=f"{name}: 5 cannot be called"):
        stage_in(site).start(["a"], tmp_path, **{name: 5})


def test_two_files_of_one_name_are_refused_before_anything_is_begun(site, tmp_path):
    with pytest.raises(ConfigError, match="a is named twice"):
        stage_in(site).start(["x:a", "y:a"], tmp_path / "in")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tools": ["teleport"]}, "tools: there is no copy tool 'teleport'; there are cp, "),
        ({"tools": "local"}, "tools: 'local' is not a list"),
        ({"tools": [["local"]]}, "tools: there is no copy tool ['local']"),
        ({"label": 7}, "label: 7 is not a kind of jobs"),
        ({"storage": None}, "storage: None is not known"),
        ({"storage": "TAPE"}, "storage: 'TAPE' is not known; there are DISK"),
        ({"at_once": 0}, "at_once: 0 is not a number of files from 1 to 64"),
        ({"at_once": True}, "at_once: True"),
        ({"at_once": "4"}, "at_once: '4'"),
        ({"at_once": 65}, "at_once: 65"),
    ],
)
def test_a_wrong_argument_is_named_with_what_is_expected(site, options, words):
    with pytest.raises(ConfigError) as caught:
        stage_in(site, **options)
    assert words in caught.value.detail


def test_without_settings_the_sites_own_hold(site, tmp_path, monkeypatch):
    monkeypatch.setenv("COMPASS_PILOT__COPY__AT_ONCE", "7")
    assert StageIn(site.queue, site.storages).settings.copy.at_once == 7


def test_a_queue_may_be_named_in_settings_that_say_where_it_is_described(site, tmp_path):
    (tmp_path / "queues.json").write_text(json.dumps({"OTHER": {"nickname": "OTHER"}, "Q": site.queue}))
    (tmp_path / "storages.json").write_text(json.dumps(site.storages))
    said = {"data_url": str(tmp_path / "queues.json"), "storage_url": str(tmp_path / "storages.json")}
    site.has("a", CONTENT)
    stage = StageIn("Q", settings=settings.load([("test", {"queue": said})]).settings)
    assert stage.run(["a"], tmp_path / "in").well


def test_files_may_have_a_folder_each(site, tmp_path):
    for name in ("one", "two"):
        site.has(f"{name}/a", name.encode())
        (tmp_path / name).mkdir()
    items = [Item(FileSpec("a", Role.INPUT, dataset=name), tmp_path / name) for name in ("one", "two")]
    assert stage_in(site).start_items(items).result(30).well
    assert (tmp_path / "two" / "a").read_bytes() == b"two"


def test_other_names_of_the_module_are_not_made_up():
    assert not hasattr(data, "StageSideways")
    assert all(hasattr(data, name) for name in data.__all__)


def test_a_program_that_ends_in_the_middle_of_a_block_leaves_nothing_half(site, tmp_path):
    words = program(
        site,
        "with stage.start(['large'], 'in') as staging:",
        "    while not staging.progress().bytes_done: pass",
        "    sys.exit(3)",
    )
    done = subprocess.run(words, cwd=tmp_path, env=with_path(), timeout=60)
    assert done.returncode == 3
    assert list((tmp_path / "in").iterdir()) == []


def test_an_interrupt_gives_up_and_leaves_nothing_half(site, tmp_path):
    words = program(site, "stage.run(['large'], 'in', on_progress=lambda now: print(now.current, flush=True))")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(words, cwd=tmp_path, env=with_path(), **pipes)
    assert process.stdout.readline() == "('large',)\n"
    while not any(path.is_file() for path in (tmp_path / "in").rglob("*")):  # from then on it only waits
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=30)[1]
    assert process.returncode in (-signal.SIGINT, 128 + signal.SIGINT)
    assert errors.splitlines()[-1] == "KeyboardInterrupt"
    assert list((tmp_path / "in").iterdir()) == []


def described(site):
    (site.store.parent / "queue.json").write_text(json.dumps(site.queue))
    (site.store.parent / "storages.json").write_text(json.dumps(site.storages))
    return ("queue.json", "storages.json")


def test_the_program_of_the_page_brings_files_and_tells_how_far_it_is(site, tmp_path):
    site.has("mDST-278473-1-7.root", b"a muon on its way")
    done = run_page("howto/stage-files.md", *described(site), "mDST-278473-1-7.root", folder=tmp_path)
    assert done.stderr == ""
    (expected,) = re.findall(r"```text\n(.*?)```", (ROOT / "doc/howto/stage-files.md").read_text(), re.DOTALL)
    assert done.stdout.splitlines() == expected.splitlines()


def test_the_same_program_says_what_did_not_come_and_what_is_wrong(site, tmp_path):
    done = run_page("howto/stage-files.md", *described(site), "gone.root", folder=tmp_path)
    assert done.stdout.splitlines()[-1] == "gone.root: error 1331 after 1 tries by local"
    done = run_page("howto/stage-files.md", *described(site), "a", "a", folder=tmp_path)
    assert (done.returncode, done.stderr.partition(":")[0]) == (1, "BAD_CONFIGURATION")


def test_the_commands_of_the_page_say_what_it_shows(site, tmp_path):
    site.has("mDST-278473-1-7.root", b"a muon on its way")
    text = (ROOT / "doc/howto/stage-files.md").read_text()
    for name, description in zip(("queue", "storages"), re.findall(r"```json\n(.*?)```", text, re.DOTALL)):
        (tmp_path / f"{name}.json").write_text(description.replace("/storage", str(site.store)))
    (shown,) = re.findall(r"```console\n\$ pilot (stage-in .*?)```", text, re.DOTALL)
    command, *expected = shown.splitlines()
    words = [sys.executable, "-m", "pilot", *command.split()]
    done = subprocess.run(words, cwd=tmp_path, env=with_path(), capture_output=True, text=True, timeout=60)
    assert str(done.returncode) == expected[-1]
    said = done.stdout.replace(str(site.store), "/storage").replace(str(tmp_path), "/data")
    assert timeless(said.splitlines()) == timeless(expected[:-2])


def timeless(lines):
    return sorted(re.sub(r"\d\.\d+ s", "", line) for line in lines)
