"""Inputs that a payload reads from a real XRootD server: found there before it begins, or not in time."""

from __future__ import annotations

import subprocess
import time

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.queue import Protocol, QueueData, StorageEndpoint
from pilot.copytool.attempts import Policy
from pilot.copytool.base import Cancel, Deadline
from pilot.copytool.direct import with_addresses
from pilot.copytool.engine import Engine
from pilot.copytool.together import Turns
from pilot.copytool.xrdcp import Xrdcp
from pilot.errors import JobFailed
from tests.services.xrootd import Part

pytestmark = pytest.mark.one_python

CONTENT = b"events " * 500
FILE = FileSpec("a.root", Role.INPUT, dataset="in", size=len(CONTENT))


@pytest.fixture
def part(xrootd, xrootd_client):
    return Part(xrootd)


def look_for(part, folder, *files):
    host, _, path = part.root.rpartition("//")
    storages = {"X": StorageEndpoint("X", False, {"read_lan": (Protocol(host, f"/{path}"),)})}
    queue = QueueData("Q", copytools={"xrdcp": {}}, astorages={"read_lan": ("X",)}, direct_access_lan=True)
    engine = Engine({"xrdcp": Xrdcp()}, storages, queue, policy=Policy(1, open_time=3.0), turns=Turns(4))
    return engine.stage_in(JobSpec(7, 1, "true", inputs=files, direct=True), folder, Deadline(60), Cancel())


def test_what_a_payload_is_told_to_read_can_be_read(part, tmp_path):
    part.put("in/a.root", CONTENT)
    (found,) = look_for(part, tmp_path, FILE)
    assert (found.direct, found.size, found.url) == (True, len(CONTENT), f"{part.root}/in/a.root")
    assert list(tmp_path.iterdir()) == []
    (address,) = with_addresses(["a.root"], {found.lfn: found.url})
    read = subprocess.run(["xrdcp", "--nopbar", address, "-"], capture_output=True, check=True, timeout=30)
    assert read.stdout == CONTENT


@pytest.mark.parametrize("content", [None, CONTENT[:-1]])
def test_what_is_not_there_as_it_is_registered_is_told_before_the_payload_begins(part, tmp_path, content):
    if content is not None:
        part.put("in/a.root", content)
    with pytest.raises(JobFailed, match=r" a\.root: ") as caught:
        look_for(part, tmp_path, FILE)
    assert caught.value.code is ErrorCode.REMOTE_FILE_NOT_OPENED


def test_a_server_that_hangs_costs_the_time_for_opening_once_and_not_for_each_file(part, tmp_path):
    files = [FILE.evolve(lfn=f"{number}.root") for number in range(4)]
    for file in files:
        part.put(f"in/{file.lfn}", CONTENT)
    begun = time.monotonic()
    with part.server.frozen(), pytest.raises(JobFailed, match="4 of 4 files failed") as caught:
        look_for(part, tmp_path, *files)
    assert caught.value.code is ErrorCode.REMOTE_OPEN_TIMED_OUT
    assert time.monotonic() - begun < 12
