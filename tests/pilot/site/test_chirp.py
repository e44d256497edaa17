"""Chirp's words, as a starter hears and answers them."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from pilot.site import chirp

COOKIE = "abc"


class Starter:
    """Answers like HTCondor's starter: what it refuses is an argument."""

    def __init__(self, answers):
        self.answers, self.heard = answers, []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.door = chirp.Door("127.0.0.1", self.server.getsockname()[1], COOKIE)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        line, _ = self.server.accept()
        with line, line.makefile("r", newline="\n") as words, suppress(ConnectionError):
            for said in words:
                self.heard.append(said.rstrip("\n"))
                answer = self.answers(said.split()[0])
                if answer is None:
                    return
                line.sendall(answer.encode())


@contextmanager
def starter(answers):
    made = Starter(answers)
    try:
        yield made
    finally:
        made.server.close()
        made.thread.join(60)


def test_attributes_are_set_at_once_where_the_job_may():
    with starter(lambda verb: "0\n") as made:
        assert chirp.set_attributes(made.door, {"PandaID": 7, "PandaJobs": '7:running "8"'}, 5)
    assert made.heard == ["cookie abc", "set_job_attr PandaID 7", r'set_job_attr PandaJobs "7:running\ \\"8\\""']


def test_where_it_may_not_they_go_with_the_next_update_under_names_that_every_pool_takes():
    with starter(lambda verb: "-2\n" if verb == "set_job_attr" else "0\n") as made:
        assert not chirp.set_attributes(made.door, {"PandaID": 7, "PandaJobState": "running"}, 5)
    assert made.heard[1:] == [
        "set_job_attr PandaID 7",
        "set_job_attr_delayed ChirpPandaID 7",
        'set_job_attr_delayed ChirpPandaJobState "running"',
    ]


@pytest.mark.parametrize("many", ["w", "7:running ", "é", '"', "\\"])
def test_a_text_is_one_line_of_no_more_bytes_than_a_starter_reads(many):
    with starter(lambda verb: "-2\n" if verb == "set_job_attr" else "0\n") as made:
        chirp.set_attributes(made.door, {"PandaJobs": "x\ny\0z" + 2000 * many}, 5)
    assert made.heard[1].startswith(r'set_job_attr PandaJobs "x\ y\ z')
    assert all(line.endswith('"') for line in made.heard[1:])
    assert [950 < len(line.encode()) < 1024 for line in made.heard[1:]] == [True, True]


@pytest.mark.parametrize(
    "answers",
    [
        lambda verb: "-1\n" if verb == "cookie" else "0\n",
        lambda verb: "0\n" if verb == "cookie" else "-2\n",
        lambda verb: "what?\n",
        lambda verb: None,
        lambda verb: "0" * 2000,
    ],
)
def test_a_starter_that_refuses_or_talks_nonsense_is_told_of(answers):
    with starter(answers) as made, pytest.raises(chirp.Refused, match="starter"):
        chirp.set_attributes(made.door, {"A": 1}, 5)


def test_a_starter_that_hangs_is_left_in_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(OSError, match="timed out"):
            chirp.set_attributes(chirp.Door(*silent.getsockname()[:2], COOKIE), {"A": 1}, 0.2)
        assert time.monotonic() - began < 30


def test_a_starter_that_is_gone_is_an_error_of_the_system():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        door = chirp.Door(*gone.getsockname()[:2], COOKIE)
    with pytest.raises(OSError, match="refused"):
        chirp.set_attributes(door, {"A": 1}, 2)


def test_the_starters_file_holds_host_port_and_cookie(tmp_path):
    path = tmp_path / ".chirp.config"
    path.write_text("127.0.0.1 4711 abc\n")
    assert chirp.read(str(path)) == chirp.Door("127.0.0.1", 4711, "abc")
    for text in ("", "127.0.0.1 port abc", "127.0.0.1 4711"):
        path.write_text(text)
        with pytest.raises(chirp.Refused, match="host, port and cookie"):
            chirp.read(str(path))
    with pytest.raises(OSError, match="gone"):
        chirp.read(str(tmp_path / "gone"))
