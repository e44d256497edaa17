"""The batch systems that come with the server, offered by the same hook as those of others."""

from __future__ import annotations

from server.batch.base import BatchSystem
from server.batch.htcondor import HTCondorBatch
from server.batch.local import LocalBatch
from server.batch.psij import PsijBatch
from server.batch.slurm import SlurmBatch
from server.batch.ssh import SshBatch
from server.lib.hookspecs import hookimpl


@hookimpl
def register_batch_systems() -> list[type[BatchSystem]]:
    return [LocalBatch, HTCondorBatch, SlurmBatch, PsijBatch, SshBatch]
