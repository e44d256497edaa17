"""``pilot stage-in`` and ``pilot stage-out`` as somebody at a site runs them."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pilot.cli import main
from pilot.contract.queue import local_storage

ROOT = Path(__file__).parents[2]
CONTENT = b"a muon on its way\n"


@pytest.fixture
def site(tmp_path):
    """A folder with a queue, its storage with three files, and their descriptions."""
    store = tmp_path / "store"
    store.mkdir()
    for name in ("a", "b", "c"):
        (store / name).write_bytes(CONTENT)
    queue = {"nickname": "Q", "copytools": {"local": {}}, "astorages": {"default": ["DISK"]}}
    (tmp_path / "queue.json").write_text(json.dumps(queue))
    storages = {"DISK": local_storage("DISK", str(store)), "OTHER": local_storage("OTHER", str(tmp_path / "other"))}
    (tmp_path / "storages.json").write_text(json.dumps(storages))
    return tmp_path


def command(*words):
    return [sys.executable, "-m", "pilot", *words, "--storagedata-url", "storages.json"]


def environment():
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COMPASS_")}
    plain.pop("PYTHONUNBUFFERED", None)
    return {**plain, "PYTHONPATH": str(ROOT), "COMPASS_PILOT__COPY__ATTEMPTS": "1"}


def run(site, *words):
    return subprocess.run(command(*words), cwd=site, env=environment(), capture_output=True, text=True, timeout=60)


def test_files_are_brought_and_a_line_tells_of_each(site):
    done = run(site, "stage-in", "--queue", "queue.json", "a", "s:b", "--folder", "in")
    assert done.returncode == 0, done.stderr
    lines = sorted(done.stdout.splitlines())
    assert [line.partition(":")[0] for line in lines[1:]] == ["a", "s"]
    assert lines[0].startswith("2 of 2 files, 36 B in ")
    assert lines[1].endswith(f" by local, {site}/in/a")
    assert sorted(path.name for path in (site / "in").iterdir()) == ["a", "b"]
    assert done.stderr == ""


def test_the_status_is_that_of_the_first_failure_and_the_others_arrive(site):
    done = run(site, "stage-in", "--queue", "queue.json", "gone", "a", "--folder", "in")
    assert done.returncode == 77
    assert "gone: FAILED, error 1331: " in done.stdout
    assert "1 of 2 files, 18 B" in done.stdout
    assert (site / "in" / "a").read_bytes() == CONTENT


def test_a_list_may_have_sizes_and_checksums(site):
    (site / "list.yaml").write_text("- a\n- {lfn: b, size: 18}\n- {lfn: c, checksum: 'ad:00000001'}\n")
    done = run(site, "stage-in", "--queue", "queue.json", "--list", "list.yaml", "--json", "--folder", "in")
    assert done.returncode == 90
    said = json.loads(done.stdout)
    assert [(one["lfn"], one["state"], one["code"]) for one in said] == [
        ("a", "done", 0),
        ("b", "done", 0),
        ("c", "failed", 1171),
    ]


def test_a_list_may_be_what_rucio_or_json_writes(site):
    (site / "list.json").write_text(json.dumps({"files": [{"scope": "s", "name": "a", "bytes": 18, "md5": None}]}))
    assert run(site, "stage-in", "--queue", "queue.json", "--list", "list.json", "--folder", "in").returncode == 0


def test_files_are_stored(site):
    (site / "out").mkdir()
    (site / "out" / "new").write_bytes(CONTENT)
    words = ("--queue", "queue.json", "new", "--folder", "out", "--dataset", "ds", "--at-once", "2")
    done = run(site, "stage-out", *words)
    assert done.returncode == 0, done.stdout
    assert (site / "store" / "ds" / "new").read_bytes() == CONTENT


def test_a_dataset_is_that_of_files_which_name_none(site):
    (site / "out").mkdir()
    for name in "xyz":
        (site / "out" / name).write_bytes(CONTENT)
    (site / "list").write_text("- {lfn: x, dataset: null}\n- {lfn: y, dataset: ''}\n- {lfn: z, dataset: own}\n")
    words = ("--queue", "queue.json", "--list", "list", "--folder", "out", "--dataset", "ds")
    assert run(site, "stage-out", *words).returncode == 0
    stored = sorted(str(path.relative_to(site / "store")) for path in (site / "store").glob("*/*"))
    assert stored == ["ds/x", "ds/y", "own/z"]


def test_storage_and_tool_may_be_named(site):
    (site / "other").mkdir()
    (site / "other" / "d").write_bytes(CONTENT)
    words = ("--queue", "queue.json", "d", "--folder", "in", "--storage", "OTHER", "--tool", "symlink", "--json")
    (said,) = json.loads(run(site, "stage-in", *words).stdout)
    assert (said["endpoint"], said["tool"]) == ("OTHER", "symlink")


def test_the_options_of_a_pilot_are_this_commands_too(site):
    (site / "queues.json").write_text(json.dumps({"Q": json.loads((site / "queue.json").read_text())}))
    done = run(site, "stage-in", "-q", "Q", "--queuedata-url", "queues.json", "-t", "a", "--folder", "in", "-d")
    assert done.returncode == 0, done.stderr
    assert "-t has no effect" in done.stderr
    assert " bytes from file://" in done.stderr


def status_of(words):
    try:
        return main(words)
    except SystemExit as left:  # so does argparse
        return left.code


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["--queue", "queue.json"], 93, "no file is named; give names, or --list"),
        (["a"], 93, "queue.name (--queue) is not set"),
        (["--queue", "gone.json", "a"], 71, "gone.json: cannot be read"),
        (["--queue", "queue.json", "--list", "gone"], 93, "--list: gone: No such file"),
        (["--queue", "queue.json", "--list", "broken"], 93, "--list: broken is neither JSON nor YAML"),
        (["--queue", "queue.json", "--list", "queue.json"], 93, "--list: queue.json holds no list of files"),
        (["--queue", "queue.json", "in/a"], 93, "in/a: give the name of the file, its folder by --folder"),
        (["--queue", "queue.json", "s:.."], 93, "file 1: lfn: '..'"),
        (["--queue", "queue.json", "a", "x:a"], 93, "a is named twice"),
        (["--queue", "queue.json", "a", "--tool", "teleport"], 93, "there is no copy tool 'teleport'"),
        (["--queue", "queue.json", "a", "--storage", "X"], 93, "storage: 'X' is not known"),
        (["--queue", "queue.json", "a", "--at-once", "0"], 93, "at_once: 0"),
        (["--queue", "queue.json", "a", "--at-once", "many"], 2, "invalid int value: 'many'"),
        (["--queue", "queue.json", "a", "--folder", "queue.json"], 93, "folder: "),
        (["--queue", "queue.json", "a", "--fodler", "in"], 2, "--fodler is not an option; did you mean --folder?"),
    ],
)
def test_a_slip_is_named_with_its_remedy_and_nothing_is_begun(site, words, status, told, monkeypatch, capsys):
    (site / "broken").write_text("{: [")
    monkeypatch.chdir(site)
    assert status_of(["stage-in", *words, "--storagedata-url", "storages.json"]) == status
    said = capsys.readouterr()
    assert told in said.err
    assert said.out == ""
    assert not (site / "a").exists()


def hole(site):
    """Let a file lie on the storage that takes minutes to copy."""
    with (site / "store" / "large").open("wb") as file:
        file.truncate(2**34)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_gives_up_without_a_half_file(site, number):
    hole(site)
    words = command("stage-in", "--queue", "queue.json", "a", "large", "--folder", "in")
    process = subprocess.Popen(
        words, cwd=site, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().startswith("a: ")
    process.send_signal(number)
    out, errors = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert "large: given up" in out
    assert out.splitlines()[-1].endswith(", 1 given up")
    assert [path.name for path in (site / "in").iterdir()] == ["a"]
    assert errors == ""


def test_a_reader_that_has_had_enough_ends_it_without_a_half_file(site):
    hole(site)
    words = command("stage-in", "--queue", "queue.json", "a", "large", "--folder", "in")
    process = subprocess.Popen(words, cwd=site, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    process.stdout.close()
    assert process.wait(30) == 128 + signal.SIGPIPE
    assert [path.name for path in (site / "in").iterdir()] == ["a"]


def test_on_a_terminal_a_line_is_drawn_again_and_again(site):
    hole(site)
    ours, theirs = pty.openpty()
    words = command("stage-in", "--queue", "queue.json", "a", "large", "--folder", "in")
    process = subprocess.Popen(words, cwd=site, env=environment(), stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""
    while b"\r\x1b[K[" not in seen or seen.count(b"files") < 3:
        assert select.select([ours], [], [], 30)[0]
        seen += os.read(ours, 65536)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    os.close(ours)
    assert b"1/2 files" in seen
    assert b" large" in seen


def test_the_help_names_both_its_own_options_and_the_pilots(site):
    done = run(site, "stage-out", "--help")
    assert done.returncode == 0
    assert all(option in done.stdout for option in ("--list PATH", "--at-once N", "--queuedata-url", "--tool NAME"))
    assert done.stdout.startswith("usage: pilot stage-out -q QUEUE [option ...] FILE [FILE ...]\n")
    assert done.stdout.index("--folder") < done.stdout.index("options of every pilot") < done.stdout.index("--url")
