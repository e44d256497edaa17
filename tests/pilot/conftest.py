"""What tests of the pilot share: a disk that is full soon, and real container runtimes."""

from __future__ import annotations

import subprocess

import pytest

from tests.services import containers


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
