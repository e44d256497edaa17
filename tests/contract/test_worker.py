"""What a worker's pilot says, in both dialects."""

from __future__ import annotations

import pytest

from pilot.contract.codec import ContractError, Dialect, decode, encode
from pilot.contract.worker import WorkerGpus, WorkerNode, WorkerStatus

STATUS = WorkerStatus(5012, "hv-1", "started", "node7", "Q")
NODE = WorkerNode("S", "node7", "Fast CPU", "Q", 64, 2, 16, 2, "x86_64", "x86_64-v3", 2450.5, 257000, 800)
GPUS = WorkerGpus("S", "node7", "NVIDIA", "T4", 2, 15360, "Turing", "CUDA", "12.4", "550.54")


def test_a_status_has_pandas_names():
    assert encode(STATUS, Dialect.LEGACY) == {
        "workerID": 5012,
        "harvesterID": "hv-1",
        "status": "started",
        "node_id": "node7",
        "site": "Q",
    }
    assert set(encode(STATUS, Dialect.V1)) == {"worker_id", "harvester_id", "status", "node_id"}


@pytest.mark.parametrize("message", [NODE, GPUS])
def test_a_node_and_its_gpus_come_back_as_they_were_written(message):
    assert decode(type(message), encode(message, Dialect.V1), Dialect.V1) == message


def test_what_nobody_knows_is_left_out():
    assert encode(WorkerNode("S", "n", "c"), Dialect.V1) == {"site": "S", "host_name": "n", "cpu_model": "c"}


def test_a_status_without_a_worker_is_refused():
    with pytest.raises(ContractError):
        decode(WorkerStatus, {"harvester_id": "hv", "status": "started"}, Dialect.V1)
