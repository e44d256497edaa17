"""What the ranks of a node share: started once, waited for by all, ended with the last of them."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import sys
import threading

import pytest

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.hpc.node import Node, services_of
from pilot.hpc.values import NodeService
from tests.pilot.hpc.lists import Allocation

#: A service that greets whoever connects, and tells in its folder when it begins and when it was asked to end.
GREETER = """
import signal, socket, sys
path, told = sys.argv[1:]
def note(word):
    with open(told, "a") as file:
        file.write(word + "\\n")
def end(*_):
    note("ends")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
note("begins")
server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen(100)
while True:
    connection, _ = server.accept()
    connection.send(b"hello")
    connection.close()
"""


@pytest.fixture
def told(tmp_path):
    return tmp_path / "told"


def greeter(told, **more):
    argv = (sys.executable, "-c", GREETER, "{node}/socket", str(told))
    given = {"socket": "{node}/socket", "environment": (("GREETER", "{node}/socket"),), "seconds": 20.0, **more}
    return NodeService("greeter", argv, **given)


def allocation(tmp_path, *scripts, services, **more):
    words = json.loads(json.dumps([service._asdict() for service in services]))
    return Allocation(tmp_path, *scripts, services=tuple(words), node_folder=str(tmp_path / "node"), **more)


def test_all_ranks_of_a_node_have_one_service_while_they_run(tmp_path, told):
    script = f'test -S "$GREETER" && cat {told} > seen'
    made = allocation(tmp_path, *[script] * 6, services=[greeter(told)])
    assert made.launch(6) == 0
    assert [made.report(number).status for number in range(6)] == [0] * 6
    assert [(place / "seen").read_text() for place in made.places] == ["begins\n"] * 6
    assert told.read_text() == "begins\nends\n"
    assert not (tmp_path / "node" / "compass-test").exists()


def test_services_begin_in_order_with_what_goes_before_each(tmp_path, told):
    first = greeter(told, before=("/bin/sh", "-c", f"echo before >> {told}"))
    second = NodeService(
        "second", ("/bin/sh", "-c", "exec sleep 600"), check=("test", "-S", "{node}/socket"), seconds=9.0
    )
    made = allocation(tmp_path, "exit 0", services=[first, second])
    made.run()
    assert made.report(0).status == 0
    assert told.read_text() == "before\nbegins\nends\n"


@pytest.mark.parametrize(
    ("service", "words"),
    [
        (NodeService("db", ("/bin/sh", "-c", "echo no space >&2; exit 3"), socket="{node}/s", seconds=9.0), "no space"),
        (NodeService("db", ("sleep", "600"), socket="{node}/s", seconds=0.3), "it was not ready in 0.3 s"),
        (
            NodeService("db", ("sleep", "600"), before=("false",), seconds=9.0),
            "what goes before it ended with status 1",
        ),
        (NodeService("db", ("no-such-program",), seconds=9.0), "no-such-program"),
    ],
)
def test_a_service_that_does_not_come_up_fails_every_job_of_the_node(tmp_path, service, words):
    made = allocation(tmp_path, "touch ran", "touch ran", services=[service])
    made.launch(2)
    for number in range(2):
        assert made.report(number).code in (ErrorCode.SERVICE_NOT_AVAILABLE, ErrorCode.PAYLOAD_NOT_STARTED)
        assert words in made.report(number).detail
        assert not (made.places[number] / "ran").exists()


def test_who_waits_for_a_rank_that_dies_does_not_wait_for_ever(tmp_path):
    service = NodeService("db", ("sleep", "600"), socket="{node}/s", seconds=2.0)
    starts, waits = (Node(tmp_path / "node", [service], {}) for _ in range(2))
    starts._take_lock()
    told = queue.SimpleQueue()

    def wait():
        try:
            told.put(waits.enter())
        except JobFailed as failed:
            told.put(failed)

    threading.Thread(target=wait).start()
    starts._lock.close()  # as the kernel does when a process is killed
    failed = told.get(timeout=20)
    assert failed.code is ErrorCode.SERVICE_NOT_AVAILABLE
    waits.leave()


def test_a_service_ends_when_the_rank_is_told_to(tmp_path, told):
    fifo = tmp_path / "reached"
    os.mkfifo(fifo)
    made = allocation(tmp_path, f"echo here > {fifo}; exec sleep 600", services=[greeter(told)])
    with made.start() as process:
        fifo.read_text()
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        process.stderr.read()
    assert made.report(0).problem.code is ErrorCode.ALLOCATION_LOST
    assert told.read_text() == "begins\nends\n"


def test_a_folder_that_others_remove_while_a_rank_goes_in_is_made_anew(tmp_path):
    folder, stopped, codes = tmp_path / "node", threading.Event(), set()

    def remove():
        while not stopped.is_set():
            shutil.rmtree(folder, ignore_errors=True)

    remover = threading.Thread(target=remove)
    remover.start()
    for _ in range(200):
        node = Node(folder, [NodeService("db", ("/bin/true",), seconds=9.0)], {})
        try:
            node._take_lock()
        except JobFailed as failed:
            codes.add(failed.code)
        node.leave()
    stopped.set()
    remover.join()
    assert not codes


def test_a_folder_of_somebody_elses_is_not_used(tmp_path):
    (tmp_path / "node").mkdir(mode=0o777)
    (tmp_path / "node").chmod(0o777)
    with pytest.raises(JobFailed) as failed:
        Node(tmp_path / "node", [NodeService("db", ("true",), seconds=5.0)], {}).enter()
    assert failed.value.code is ErrorCode.MKDIR


def test_a_node_without_services_has_nothing_to_wait_for(tmp_path):
    node = Node(tmp_path / "node", [], {})
    assert node.enter() == {}
    node.leave()
    assert not (tmp_path / "node").exists()


def test_services_come_through_the_work_list_unchanged():
    service = NodeService("db", ("a", "b"), ("c",), "s", ("d",), (("X", "1"),), 3.0)
    assert services_of(json.loads(json.dumps([service._asdict()]))) == [service]
