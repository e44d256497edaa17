"""The checks of disk, job directory, outputs and standard output."""

from __future__ import annotations

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, Role
from pilot.control.checks import disk, output_size, stdout_size, workdir_size
from pilot.runtime.folder import Folder
from tests.pilot.control.checks.situations import MB, situation

OUTPUTS = {"outputs": (FileSpec("a.root", Role.OUTPUT), FileSpec("b.root", Role.OUTPUT))}


def code(verdict):
    return verdict.problem and verdict.problem.code


@pytest.mark.parametrize(("free", "found"), [(999 * MB, ErrorCode.NO_LOCAL_SPACE), (1000 * MB, None), (None, None)])
def test_a_node_without_room_ends_the_job(free, found):
    assert code(disk.look(situation(free_disk=free), None)) is found


def test_a_full_disk_is_told_in_megabytes_with_the_setting_to_change():
    words = disk.look(situation(free_disk=5 * MB), None).problem.detail
    assert words == "5 MB are free, a running job needs 1000 MB (monitor.free_disk)"


@pytest.mark.parametrize(
    ("queue", "spec", "limit"),
    [
        ({"max_workdir": 100 * MB}, {}, 120 * MB),
        ({"max_workdir": 800 * MB, "cores": 8}, {"cores": 8}, 960 * MB),
        ({"max_workdir": 800 * MB, "cores": 8}, {"cores": 1}, 120 * MB),
        ({"max_workdir": 100 * MB, "cores": 1}, {"cores": 8}, 120 * MB),
        ({"max_workdir": 100 * MB, "params": {"pilot_maxwdir_grace": 50}}, {}, 150 * MB),
        ({}, {}, round(14336 * 2**20 * 1.2)),
    ],
)
def test_a_jobs_directory_may_have_its_share_of_what_the_queue_gives_and_a_fifth_more(queue, spec, limit):
    def verdict(size):
        return workdir_size.look(situation(queue=queue, spec=spec, folder=Folder(size)), None)

    assert code(verdict(limit)) is None
    assert code(verdict(limit + 1)) is ErrorCode.WORKDIR_TOO_LARGE


def test_a_directory_has_no_limit_where_nobody_sets_one():
    assert code(workdir_size.look(situation(settings={"workdir_size": 0}, folder=Folder(10**18)), None)) is None


def test_an_output_that_no_storage_takes_ends_the_job_before_it_is_complete():
    verdict = output_size.look(situation(spec=OUTPUTS, sizes={"a.root": 5, "b.root": 500 * 10**9 + 1}), None)
    assert code(verdict) is ErrorCode.OUTPUT_TOO_LARGE
    assert verdict.problem.detail.startswith("b.root has 500000 MB")


@pytest.mark.parametrize("sizes", [{}, {"a.root": 500 * 10**9}, {"other": 10**15}])
def test_outputs_within_the_limit_and_other_files_are_no_matter(sizes):
    assert code(output_size.look(situation(spec=OUTPUTS, sizes=sizes), None)) is None


@pytest.mark.parametrize("name", ["payload.stdout", "payload.stderr"])
def test_a_payload_that_prints_without_end_is_ended(name):
    assert code(stdout_size.look(situation(sizes={name: 2 * 2**30}), None)) is None
    verdict = stdout_size.look(situation(sizes={name: 2 * 2**30 + 1}), None)
    assert code(verdict) is ErrorCode.STDOUT_TOO_BIG
    assert name in verdict.problem.detail


@pytest.mark.parametrize(
    ("look", "settings"), [(output_size.look, {"output_size": 0}), (stdout_size.look, {"stdout_size": 0})]
)
def test_a_limit_of_0_is_none(look, settings):
    sizes = {"a.root": 10**15, "payload.stdout": 10**15}
    assert code(look(situation(settings=settings, spec=OUTPUTS, sizes=sizes), None)) is None
