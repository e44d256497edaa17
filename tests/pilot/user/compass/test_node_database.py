"""The calibration database that each node of an allocation has of its own."""

from __future__ import annotations

import os
import sys

from pilot import plugins
from pilot.contract.queue import QueueData
from pilot.hpc.node import Node
from pilot.plugins import call

#: What stands for MySQL's server here: it takes the same options, and greets as that does.
SERVER = """#!{python}
import os, socket, sys
options = dict(word[2:].split("=") for word in sys.argv[1:] if "=" in word)
assert "--skip-networking" in sys.argv and "--no-defaults" in sys.argv
assert open(os.path.join(options["datadir"], "cdb")).read() == "calibrations"
server = socket.socket(socket.AF_UNIX)
server.bind(options["socket"])
server.listen(9)
while True:
    connection, _ = server.accept()
    connection.send(b"\\x05\\0\\0\\0\\x0a8.0\\0")
    connection.close()
"""


def queue(**said):
    return QueueData.from_wire({"nickname": "Q", "params": {"compass": said}})


def services(asked):
    found = call(plugins.load("compass"), "node_services", queue=asked)
    return [service for answer in found for service in answer]


def test_a_queue_that_names_no_database_has_no_service_on_its_nodes():
    assert services(queue()) == []


def test_a_server_on_a_copy_of_the_sites_data_is_ready_for_the_nodes_payloads(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cdb").write_text("calibrations")
    program = tmp_path / "mysqld"
    program.write_text(SERVER.format(python=sys.executable))
    program.chmod(0o755)
    asked = queue(database=str(tmp_path / "data"), database_program=str(program), database_time=20)
    node = Node(tmp_path / "node", services(asked), {"PATH": os.environ["PATH"]})
    given = node.enter()
    try:
        assert given == {"CDBSERVER": "localhost", "MYSQL_UNIX_PORT": str(tmp_path / "node" / "mysql.sock")}
        assert (tmp_path / "node" / "mysql.sock").is_socket()
    finally:
        node.leave()
    assert not (tmp_path / "node").exists()
    assert (tmp_path / "data" / "cdb").exists()
