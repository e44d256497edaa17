"""Where calibrations come from: real sockets, injected clocks."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path

import pytest

from pilot.contract import naming
from pilot.contract.codes import ErrorCode
from pilot.contract.queue import QueueData
from pilot.errors import JobFailed
from pilot.user.compass import calibration
from pilot.user.compass.calibration import Source

GREETING = b"\x08\0\0\0\x0a8.0.36\0"
REFUSAL = b"\x17\0\0\0\xff\x10\x04Too many connections"


@contextlib.contextmanager
def server(says=GREETING, path=None):
    """Answer each who connects with some bytes, and hang up."""
    with socket.socket(socket.AF_UNIX if path else socket.AF_INET) as listening:
        listening.bind(str(path) if path else ("127.0.0.1", 0))
        listening.listen()

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    for at in range(0, len(says), 3):  # in pieces, as a network may
                        connection.sendall(says[at : at + 3])
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Source(socket_path=str(path)) if path else Source("127.0.0.1", listening.getsockname()[1])
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(60)


@pytest.mark.parametrize(
    ("text", "source", "variables"),
    [
        ("cdb1.cern.ch", Source("cdb1.cern.ch"), {"CDBSERVER": "cdb1.cern.ch"}),
        ("cdb1:23306", Source("cdb1", 23306), {"CDBSERVER": "cdb1", "MYSQL_TCP_PORT": "23306"}),
        ("[::1]:3307", Source("::1", 3307), {"CDBSERVER": "::1", "MYSQL_TCP_PORT": "3307"}),
        (
            "unix:/run/cdb.sock",
            Source(socket_path="/run/cdb.sock"),
            {"CDBSERVER": "localhost", "MYSQL_UNIX_PORT": "/run/cdb.sock"},
        ),
        ("file:/scratch/cdb", Source(file="/scratch/cdb"), {"COMPASS_CDB_FILE": "/scratch/cdb"}),
        ("file:cdb.sqlite", Source(file="/cvmfs/v1/cdb.sqlite"), {"COMPASS_CDB_FILE": "/cvmfs/v1/cdb.sqlite"}),
    ],
)
def test_a_source_is_read_and_told_to_the_program(text, source, variables):
    found = calibration.read(text, Path("/cvmfs/v1"))
    assert (found, found.variables) == (source, variables)


@pytest.mark.parametrize(
    "text",
    ["", "a b", "cdb:0", "cdb:99999", "mysql://cdb", "unix:cdb.sock", "file:", "-x", "unix", "a..b", "a" * 64, "cdb.."],
)
def test_what_is_no_source_is_refused(text):
    if text == "unix":  # a host may be called that, and then nothing follows it
        text = "unix:1"
    with pytest.raises(ValueError, match="is no source of calibrations; give host"):
        calibration.read(text, Path("/cvmfs/v1"))


def test_a_replica_below_the_release_needs_one():
    with pytest.raises(ValueError, match="no source"):
        calibration.read("file:cdb.sqlite", None)


def test_a_password_is_refused_and_not_repeated():
    with pytest.raises(ValueError, match="a name or a password") as caught:
        calibration.read("reader:hunter2@cdb1", None)
    assert "hunter2" not in str(caught.value)


def test_the_tasks_word_goes_before_the_sites():
    assert [str(one) for one in calibration.chosen(["a"], ["b", "c"], None)] == ["a:3306"]
    assert [str(one) for one in calibration.chosen([], ["b", "c"], None)] == ["b:3306", "c:3306"]
    assert calibration.chosen([], [], None) == []


@pytest.mark.parametrize(
    ("task", "site", "code"),
    [(["x y"], [], ErrorCode.BAD_JOB_DEFINITION), ([], ["x y"], ErrorCode.BAD_QUEUE_CONFIGURATION)],
)
def test_who_named_a_wrong_source_is_told(task, site, code):
    with pytest.raises(JobFailed, match="'x y' is no source") as caught:
        calibration.chosen(task, site, None)
    assert caught.value.code is code


def test_jobs_may_begin_with_different_servers():
    sources = [Source("a"), Source("b"), Source("c")]
    assert [calibration.in_order(sources, job, spread=True)[0].host for job in range(6, 10)] == ["a", "b", "c", "a"]
    assert calibration.in_order(sources, 7, spread=True) == [Source("b"), Source("c"), Source("a")]
    assert calibration.in_order(sources, 7, spread=False) == sources
    assert calibration.in_order([], 7, spread=True) == []


def test_a_server_that_greets_is_ready(tmp_path):
    with server() as source:
        calibration.greet(source, 5)
    with server(path=tmp_path / "s") as source:
        calibration.greet(source, 5)


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (REFUSAL, "it refuses: Too many connections"),
        (
            b"HTTP/1.1 400 Bad Request\r\nServer: this and that\r\nConnection: close\r\n\r\n",
            "it does not speak MySQL's protocol",
        ),
        (b"", "it hung up before its greeting was over"),
    ],
)
def test_a_server_that_listens_and_does_not_serve_is_not_ready(says, words):
    with server(says) as source, pytest.raises(OSError, match=words):
        calibration.greet(source, 5)


def test_a_server_of_the_node_that_has_not_started_is_not_ready(tmp_path):
    with pytest.raises(FileNotFoundError):
        calibration.greet(Source(socket_path=str(tmp_path / "cdb.sock")), 5)


def test_a_source_is_told_as_it_is_written():
    texts = ["a:3306", "unix:/run/s", "file:/x"]
    assert [str(calibration.read(text, None)) for text in texts] == texts


def test_a_server_that_says_nothing_is_not_waited_for_long():
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(OSError, match="timed out"):
        calibration.greet(Source("127.0.0.1", silent.getsockname()[1]), 0.1)


def test_a_server_that_says_little_at_a_time_is_not_waited_for_long():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        asked = threading.Thread(target=drip, args=(listening,))
        asked.start()
        with pytest.raises(OSError, match="timed out"):
            calibration.greet(Source("127.0.0.1", listening.getsockname()[1]), 0.3)
        asked.join()


def drip(listening):
    connection, _ = listening.accept()
    connection.settimeout(0.1)
    with connection, contextlib.suppress(OSError):
        for _ in range(50):
            connection.sendall(b"\x40")
            with contextlib.suppress(socket.timeout):
                if not connection.recv(1):
                    return


def test_control_characters_are_no_part_of_a_source():
    with pytest.raises(ValueError, match="has control characters"):
        calibration.read("file:/a\0b", None)


def test_a_replica_is_a_file_or_a_folder_with_something_in_it(tmp_path):
    with pytest.raises(OSError, match="it is empty"):
        calibration.greet(Source(file=str(tmp_path)), 5)
    replica = tmp_path / "cdb.sqlite"
    with pytest.raises(FileNotFoundError):
        calibration.greet(Source(file=str(replica)), 5)
    replica.write_text("")
    with pytest.raises(OSError, match="it is empty"):
        calibration.greet(Source(file=str(replica)), 5)
    replica.write_text("x")
    calibration.greet(Source(file=str(replica)), 5)
    calibration.greet(Source(file=str(tmp_path)), 5)


class Passing:
    """Time that passes only while somebody waits."""

    def __init__(self):
        self.now, self.waits = 0.0, []

    def wait(self, seconds):
        self.now += seconds
        self.waits.append(seconds)


def first(sources, limit, ask):
    time = Passing()
    try:
        found = calibration.first_ready(sources, limit, ask=ask, pause=time.wait, clock=lambda: time.now)
    except JobFailed as failed:
        found = failed
    return found, time.waits


def test_the_first_source_that_is_ready_is_taken():
    asked = []

    def ask(source, limit):
        asked.append(source.host)
        if source.host == "a":
            raise ConnectionRefusedError(111, "Connection refused")

    found, waits = first([Source("a"), Source("b"), Source("c")], 30, ask)
    assert (found, asked, waits) == (Source("b"), ["a", "b"], [])


def test_a_server_that_is_starting_is_asked_again_ever_more_slowly():
    times = iter([False, False, False, False, False, False, True])

    def ask(source, limit):
        assert limit <= calibration.LONGEST_GREETING
        if not next(times):
            raise ConnectionRefusedError(111, "Connection refused")

    found, waits = first([Source("localhost")], 90, ask)
    assert (found, waits) == (Source("localhost"), [0.5, 1, 2, 4, 8, 8])


def test_when_none_was_ready_in_time_each_is_told():
    def ask(source, limit):
        raise TimeoutError("timed out") if source.host == "a" else ConnectionRefusedError(111, "Connection refused")

    failed, waits = first([Source("a"), Source("b")], 5, ask)
    assert failed.code is ErrorCode.SERVICE_NOT_AVAILABLE
    assert failed.detail == (
        "no source of calibrations was ready in 5 s: a:3306: timed out; b:3306: Connection refused"
    )
    assert sum(waits) < 5


def test_a_payloads_environment_fills_the_options():
    assert calibration.values_from({}) == {}
    assert calibration.values_from(Source("a", 3307).variables) == {
        "calibration_use": "MySQLDB",
        "calibration_server": "a",
        "calibration_port": "3307",
    }
    assert calibration.values_from(Source(file="/x").variables) == {
        "calibration_use": "FileDB",
        "calibration_place": "/x",
    }


CHUNK = ("--run", "1", "--chunk", "2", "--slot", "0", "--phast", "7")
FILES = {"inputs": (naming.raw(1, 2),), "outputs": (naming.mdst(1, 2, 0, 7), naming.histograms(1, 2, 0))}


def test_a_reconstruction_is_given_the_server_that_answers(node):
    with server() as source:
        said = {"calibration": ["127.0.0.1:1", str(source)], "calibration_time": 5}
        node.queue = QueueData(name="Q", params={"compass": said})
        ended = node.run(node.spec("mcreco", "coral.exe", *CHUNK, **FILES), raw="1\n")
    assert ended.problem is None
    assert "CDB: 127.0.0.1\n" in ended.said
    assert "CDB server 127.0.0.1\n" in ended.read("coral.opt")


def test_a_job_whose_calibrations_nobody_serves_fails_before_its_program_begins(node, tmp_path):
    node.queue = QueueData(name="Q", params={"compass": {"calibration": ["127.0.0.1:1"], "calibration_time": 0.2}})
    with pytest.raises(JobFailed, match="127.0.0.1:1: Connection refused") as caught:
        node.run(node.spec("mcreco", "coral.exe", *CHUNK, **FILES), raw="1\n")
    assert caught.value.code is ErrorCode.SERVICE_NOT_AVAILABLE


def test_without_a_list_what_the_site_or_the_node_sets_is_taken_as_it_is(node):
    node.queue = QueueData(name="Q", environ="CDBSERVER=node-cdb")
    ended = node.run(node.spec("mcreco", "coral.exe", *CHUNK, **FILES), raw="1\n")
    assert "CDB server node-cdb\n" in ended.read("coral.opt")


def test_a_job_asks_the_database_of_its_node_where_the_queue_gives_each_node_one(node):
    said = {"database": "/data/cdb", "calibration": ["127.0.0.1:1"], "calibration_time": 0.2}
    node.queue = QueueData(name="Q", params={"compass": said})
    ended = node.run(node.spec("mcreco", "coral.exe", *CHUNK, **FILES), raw="1\n")
    assert ended.problem is None
    assert "CDB server localhost\n" in ended.read("coral.opt")


def test_the_task_may_name_a_replica_of_the_release(node):
    node.queue = QueueData(name="Q", params={"compass": {"calibration": ["127.0.0.1:1"]}})
    (node.tree.release / "cdb").mkdir()
    (node.tree.release / "cdb" / "GM01").write_text("1")
    (node.tree.release / "template.opt").write_text(
        "@{input} @{mdst} @{histograms}\nCDB location @{calibration_place}\n"
    )
    ended = node.run(node.spec("mcreco", "coral.exe", *CHUNK, "--calibration", "file:cdb", **FILES), raw="1\n")
    assert f"CDB location {node.tree.release}/cdb\n" in ended.read("coral.opt")
