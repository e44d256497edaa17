"""What tests of the pilot share: a disk that is full soon, real container runtimes, and real batch systems."""

from __future__ import annotations

import subprocess

import pytest

from tests.services import containers, htcondor, slurm


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 kB and 16 files, mounted for one test; skipped, and said, where mounting is not permitted."""
    folder = tmp_path / "small"
    folder.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=16,mode=0700", "tmpfs", str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"not tested: no small disk can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="session")
def apptainer():
    """A real Apptainer with a tiny image."""
    return containers.use_apptainer()


@pytest.fixture(scope="session")
def podman():
    """A real podman with a tiny image."""
    return containers.use_podman()


@pytest.fixture(scope="session", name="slurm")
def _slurm():
    """A real Slurm of three nodes."""
    with slurm.running() as cluster:
        yield cluster


@pytest.fixture(scope="session", name="htcondor")
def _htcondor():
    """A real HTCondor pool."""
    with htcondor.running() as pool:
        yield pool


@pytest.fixture(scope="session", name="rabbitmq")
def _rabbitmq():
    """A real RabbitMQ that speaks STOMP."""
    from tests.services import rabbitmq  # makes certificates, which the smoke set on Python 3.9 has no package for

    with rabbitmq.running() as broker:
        yield broker


@pytest.fixture(scope="session", name="syslog_ng")
def _syslog_ng():
    """A real syslog-ng that takes lines and messages."""
    from tests.services import syslog_ng  # likewise

    with syslog_ng.running() as daemon:
        yield daemon


@pytest.fixture(scope="session", name="sshd")
def _sshd():
    """A real OpenSSH server."""
    from tests.services import sshd

    with sshd.running() as server:
        yield server


@pytest.fixture(scope="session", name="object_storage")
def _object_storage():
    """What stands in for an object storage."""
    from tests.services import object_storage

    with object_storage.running() as server:
        yield server
