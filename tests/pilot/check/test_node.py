"""What is judged good, doubtful and bad of a node, by readings that are given."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pilot.check import node
from pilot.check.finding import Level
from pilot.contract.codes import ErrorCode
from pilot.contract.queue import QueueData
from pilot.runtime.limits import Held
from pilot.settings import Settings, Verify
from pilot.site.batch import Batch
from pilot.site.confinement import Cgroup
from pilot.site.cpu import Cpu
from pilot.site.cvmfs import Repository
from pilot.site.disks import Disk
from pilot.site.gpus import Gpu
from pilot.site.memory import Memory
from pilot.site.network import Network
from pilot.site.system import System

OK, WARN, FAIL = Level
GB = 10**9
QUEUE = QueueData("Q", cores=4, memory=8 * GB, max_workdir=10 * GB, max_time=3600)
GROUP = Cgroup(version=2, path="/x", delegated=True)
CPU = Cpu("EPYC", "AMD", "x86_64", "x86_64-v3", 8, 16, 1, 8, 2, 2000.0, ())
DISK = Disk("/w", 100 * GB, 50 * GB, 10**6, 10**6, "xfs", "/dev/x", "/", read_only=False)


def judged(found):
    return (found.level, found.code)


def test_the_node_is_named():
    words = node.system(System("debian", "12", "Debian 12", "6.1", "x86_64", "glibc 2.36", 0, 0.0)).value
    assert words == "Debian 12, kernel 6.1, glibc 2.36, x86_64"


@pytest.mark.parametrize(
    ("version", "level"), [((3, 8, 1), FAIL), ((3, 9, 0), OK), ((3, 14, 2), OK), ((2, 7, 18), FAIL), ((4, 0, 0), OK)]
)
def test_a_python_that_is_too_old_is_bad(version, level):
    assert node.python(version, "/usr/bin/python3").level is level


@pytest.mark.parametrize(
    ("total", "limit", "queue", "result"),
    [
        (16 * GB, None, QUEUE, (OK, None)),
        (16 * GB, 8 * GB, QUEUE, (OK, None)),
        (16 * GB, 4 * GB, QUEUE, (FAIL, ErrorCode.NODE_TOO_SMALL)),
        (4 * GB, None, QUEUE, (FAIL, ErrorCode.NODE_TOO_SMALL)),
        (4 * GB, None, None, (OK, None)),
        (4 * GB, None, replace(QUEUE, memory=0), (OK, None)),
    ],
)
def test_the_slot_needs_the_memory_of_its_queue(total, limit, queue, result):
    assert judged(node.memory(Memory(total, total, 0, 0), replace(GROUP, memory=limit), queue)) == result


@pytest.mark.parametrize(
    ("usable", "share", "declared", "queue", "result"),
    [
        (8, None, 0, QUEUE, (OK, None)),
        (2, None, 0, QUEUE, (FAIL, ErrorCode.NODE_TOO_SMALL)),
        (8, 2.5, 0, QUEUE, (FAIL, ErrorCode.NODE_TOO_SMALL)),
        (2, None, 4, QUEUE, (OK, None)),
        (1, None, 0, None, (OK, None)),
    ],
)
def test_the_slot_needs_the_cores_of_its_queue(usable, share, declared, queue, result):
    found = node.cores(replace(CPU, usable=usable), replace(GROUP, cores=share), queue, declared)
    assert judged(found) == result
    assert "of 16, EPYC (x86_64-v3)" in found.value


@pytest.mark.parametrize(
    ("free", "inodes", "queue", "results"),
    [
        (50 * GB, 10**6, QUEUE, [(OK, None)]),
        (5 * GB, 10**6, QUEUE, [(WARN, None)]),
        (5 * GB, 10**6, None, [(OK, None)]),
        (1 * GB, 10**6, QUEUE, [(FAIL, ErrorCode.NO_LOCAL_SPACE)]),
        (50 * GB, 100, QUEUE, [(OK, None), (FAIL, ErrorCode.NO_LOCAL_SPACE)]),
    ],
)
def test_the_disk_needs_room_to_begin_and_should_hold_a_whole_job(free, inodes, queue, results):
    found = node.disk(replace(DISK, free=free, inodes_free=inodes), queue, 2 * GB)
    assert [judged(one) for one in found] == results


def test_a_file_system_that_counts_no_files_has_enough_of_them():
    assert len(list(node.disk(replace(DISK, inodes=0, inodes_free=0), None, 0))) == 1


@pytest.mark.parametrize(
    ("disk", "writable", "level"),
    [(DISK, True, OK), (replace(DISK, free=10**6), True, WARN), (DISK, False, WARN), (None, True, WARN)],
)
def test_temporary_files_should_have_room(disk, writable, level):
    assert node.temporary("/tmp", disk, writable).level is level


def test_a_folder_that_takes_no_file_is_bad_and_one_that_runs_none_is_doubtful():
    assert judged(node.folder("/w", "Permission denied", runs=False)) == (FAIL, ErrorCode.MKDIR)
    assert judged(node.folder("/w", "", runs=False)) == (WARN, None)
    assert judged(node.folder("/w", "", runs=True)) == (OK, None)


@pytest.mark.parametrize(
    ("found", "level", "words"),
    [
        (GROUP, OK, "version 2, delegated"),
        (replace(GROUP, delegated=False, memory=2 * GB), WARN, "version 2, memory limited to 2.0 GB, not delegated"),
        (Cgroup(), WARN, "none"),
    ],
)
def test_control_groups_should_be_delegated(found, level, words):
    assert (node.groups(found).level, node.groups(found).value) == (level, words)


@pytest.mark.parametrize(("there", "needed", "level"), [(True, True, OK), (False, True, WARN), (False, False, OK)])
def test_user_namespaces_matter_only_for_containers(there, needed, level):
    assert node.user_namespaces(there, needed).level is level


def test_what_the_kernel_does_not_hold_is_doubtful_with_the_reason():
    held = node.held(Held("limits of memory", "by the kernel"))
    sampled = node.held(Held("limits of memory", "by samples of their size", "Permission denied"))
    assert (held.level, sampled.level, sampled.advice) == (OK, WARN, "Permission denied")


def test_a_node_without_a_way_out_is_doubtful():
    assert node.network(Network("h", ("eth0",), default_route=True, default_route_v6=False)).level is OK
    assert node.network(Network("h", (), default_route=False, default_route_v6=False)).level is WARN


@pytest.mark.parametrize(
    ("ends_at", "queue", "level"), [(None, QUEUE, OK), (5000.0, QUEUE, OK), (2000.0, QUEUE, WARN), (2000.0, None, OK)]
)
def test_a_batch_job_that_ends_before_the_queues_time_is_doubtful(ends_at, queue, level):
    found = node.batch(Batch(system="slurm", job_id="17", ends_at=ends_at), queue, 1000.0)
    assert (found.level, found.value.startswith("slurm 17")) == (level, True)
    assert node.batch(Batch(), QUEUE, 0.0).value == "none seen"


def test_gpus_are_missed_only_where_they_are_asked_for():
    assert node.gpus([Gpu("nvidia", "A100")], "nvidia").value == "A100"
    assert node.gpus([], "none").level is OK
    assert node.gpus([], "nvidia").level is WARN


def test_limits_that_payloads_may_meet_are_doubtful():
    names = ("open files", "processes", "file size", "CPU time", "address space")
    assert [one.level for one in node.limits(dict.fromkeys(names, -1))] == [OK]
    found = list(node.limits({"open files": 256, "processes": 30, "file size": 10, "CPU time": -1, "address space": 5}))
    assert [one.level for one in found] == [WARN] * 4 + [OK]
    assert "open files: 256" in found[0].value
    assert "CPU time unlimited" in found[-1].value


def test_a_repository_that_is_not_there_is_bad():
    assert judged(node.repository(Repository("compass.cern.ch", mounted=False))) == (FAIL, ErrorCode.CVMFS_NOT_ALIVE)
    assert node.repository(Repository("compass.cern.ch", mounted=True, revision=7)).advice == "revision 7"
    assert node.repository(Repository("compass.cern.ch", mounted=True)).level is OK


def test_the_queues_software_must_be_there():
    assert judged(node.software(QUEUE, "/sw", "is not there", contained=False)) == (FAIL, ErrorCode.NO_SOFTWARE_DIR)
    assert judged(node.software(QUEUE, "/sw", "is not there", contained=True)) == (WARN, None)
    assert judged(node.software(QUEUE, "/sw", "", contained=False)) == (OK, None)


@pytest.mark.parametrize(
    ("level", "keys", "problems", "verifier", "result"),
    [
        ("never", (), [], "", OK),
        ("always", (), [], "openssl", FAIL),
        ("always", ("/k",), ["/k is not there"], "openssl", FAIL),
        ("always", ("/k", "/l"), ["/k is not there"], "openssl", WARN),
        ("always", ("/k",), [], "", FAIL),
        ("when_signed", ("/k",), [], "openssl", OK),
    ],
)
def test_who_verifies_signatures_needs_keys_and_something_to_do_it_with(level, keys, problems, verifier, result):
    found = node.signatures(Settings(verify=Verify(keys=keys)), level, problems, verifier)
    assert found.level is result
    assert found.code is (ErrorCode.SIGNATURE_UNVERIFIABLE if result is FAIL else None)


@pytest.mark.parametrize(
    ("count", "words"), [(5, "5 bytes"), (2.5e6, "2.5 MB"), (10**9, "1.0 GB"), (3 * 10**12, "3.0 TB")]
)
def test_sizes_are_written_as_people_read_them(count, words):
    assert node.size(count) == words
