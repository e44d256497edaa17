from __future__ import annotations

import os
import subprocess
import threading

import pytest

from pilot.contract.naming import SECRETS_FILE
from pilot.control.debugging import CUT, Patience, show


@pytest.fixture
def root(tmp_path):
    made = tmp_path / "job"
    (made / "sub").mkdir(parents=True)
    (made / "payload.stdout").write_text("".join(f"event {number}\n" for number in range(100)))
    (made / "sub" / "deep.log").write_text("deep\n")
    (made / "sub" / "big.root").write_bytes(b"x" * 50_000)
    (tmp_path / "token").write_text("secret")
    (made / "out").symlink_to(tmp_path / "token")
    (made / "up").symlink_to(tmp_path)
    os.mkfifo(made / "pipe")
    return made


@pytest.fixture
def restless(root):
    """A folder of the job in which files come and go all the time."""
    over, folder = threading.Event(), root / "restless"
    folder.mkdir()

    def churn():
        while not over.is_set():
            for number in range(20):
                (folder / f"file{number}").touch()
            for number in range(20):
                (folder / f"file{number}").unlink()

    thread = threading.Thread(target=churn)
    thread.start()
    yield folder
    over.set()
    thread.join()


@pytest.mark.parametrize(
    ("argv", "first", "count"),
    [
        (("tail", "payload.stdout"), "event 90", 10),
        (("tail", "-n", "3", "payload.stdout"), "event 97", 3),
        (("tail", "-n2", "./payload.stdout"), "event 98", 2),
        (("tail", "-1", "sub/../payload.stdout"), "event 99", 1),
    ],
)
def test_tail_shows_the_last_lines(root, argv, first, count):
    lines = show(argv, root).splitlines()
    assert (lines[0], len(lines)) == (first, count)


def test_tail_takes_a_pattern_that_fits_one_file_and_a_whole_path(root):
    assert show(("tail", "sub/*.log"), root) == "deep"
    assert show(("tail", str(root / "sub" / "deep.log")), root) == "deep"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("tail", "../token"), "tail: ../token: not in the job's directory"),
        (("tail", "/etc/passwd"), "tail: /etc/passwd: not in the job's directory"),
        (("tail", "out"), "not in the job's directory"),
        (("tail", "up/token"), "not in the job's directory"),
        (("tail", "up/*"), "not in the job's directory"),
        (("ls", "up"), "not in the job's directory"),
        (("ls", ".."), "not in the job's directory"),
        (("du", "up"), "not in the job's directory"),
        (("tail", "pipe"), "tail: not a file"),
        (("tail", "sub"), "tail: not a file"),
        (("tail", "gone"), "tail: No such file or directory"),
        (("tail", "sub/*"), "tail: sub/*: 2 files have such a name"),
        (("tail",), "tail: one file is expected"),
        (("tail", "-f", "payload.stdout"), "tail: -f: a number of lines is expected"),
        (("ls", "*.nothing"), "ls: *.nothing: nothing has such a name"),
        (("gdb", "--pid", "1"), "gdb: not done here; there are tail, ls, ps, du"),
        (("tail;rm", "x"), "tail;rm: not done here"),
        (("tail", "-n", "9" * 5000, "payload.stdout"), "a number of lines is expected"),
        (("tail", "-n", "²", "payload.stdout"), "a number of lines is expected"),
        (("tail", "a\0b"), "embedded null"),
        (("ls", "\ud800"), "ls: 'utf-8' codec can't encode"),
    ],
)
def test_what_is_not_the_jobs_is_not_shown_and_the_answer_says_why(root, argv, words):
    answer = show(argv, root)
    assert words in answer
    assert "secret" not in answer


def test_what_is_for_the_payload_alone_is_not_shown(root):
    (root / SECRETS_FILE).write_text('{"key":\n"sec\\"ret"}')
    for name in (SECRETS_FILE, "panda_sec*", f"sub/../{SECRETS_FILE}"):
        assert show(("tail", "-1", name), root) == f"tail: {name}: it is for the payload alone"


def test_ls_shows_names_sizes_and_kinds_of_a_folder_and_of_a_pattern(root):
    lines = show(("ls", "-l"), root).splitlines()
    assert [line.split()[-1] for line in lines] == ["out", "payload.stdout", "pipe", "sub", "up"]
    assert [line[0] for line in lines] == ["l", "-", "p", "d", "l"]
    assert show(("ls", "sub/*.root"), root).split()[1] == "50000"


def test_du_counts_what_lies_on_the_disk_and_follows_no_link(root):
    (line,) = show(("du", "-s"), root).splitlines()
    size, name = line.split()
    assert name == "."
    assert 50_000 <= int(size) < 200_000


def test_ps_shows_what_runs_in_the_jobs_directory_and_what_started_it_has_not(root, tmp_path):
    script = "cd job && sleep 60 & echo started; wait"
    keeper = subprocess.Popen(["sh", "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert keeper.stdout.readline() == b"started\n"
        shown = ""
        while "sleep 60" not in shown:  # between fork and exec it is still the shell
            shown = show(("ps",), root)
        assert len(shown.splitlines()) == 2
        (tmp_path / "other").mkdir()
        assert show(("ps",), tmp_path / "other") == "no process of this job"
    finally:
        os.killpg(keeper.pid, 9)
        keeper.communicate()


def test_of_a_job_without_a_directory_there_is_nothing_to_show(tmp_path):
    assert show(("ls",), tmp_path / "gone") == "ls: No such file or directory"


@pytest.mark.parametrize("program", ["tail", "ls", "du"])
def test_links_in_a_circle_break_nothing(root, program):
    (root / "loop").symlink_to("loop")
    assert show((program, "loop"), root).startswith(f"{program}: ")
    assert "loop" in show(("ls",), root)


@pytest.mark.parametrize("argv", [("ls", "restless"), ("ls", "restless/*"), ("du", "restless")])
def test_files_that_come_and_go_meanwhile_keep_nothing_from_being_shown(root, restless, argv):
    for _ in range(100):
        assert "No such file" not in show(argv, root)


@pytest.mark.parametrize("argv", [("ls",), ("du",), ("ls", "*")])
def test_of_a_directory_without_end_a_part_is_shown_and_that_it_is_one(root, argv):
    for number in range(10):
        (root / f"many{number}").touch()
    assert CUT not in show(argv, root)
    assert show(argv, root, Patience(8, 60.0)).endswith(CUT)
    clock = iter(range(100)).__next__
    slow = show(argv, root, Patience(10**6, 3.0, clock))
    assert slow.endswith(CUT)
    assert len(slow.splitlines()) <= 5


def test_what_is_shown_has_an_end(root):
    for number in range(1200):
        (root / "sub" / f"{number:0200}").touch()
    assert len(show(("ls", "sub"), root)) == 65536
