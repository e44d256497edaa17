"""A pilot as a process that takes COMPASS's jobs from a dispatcher, and the example's programs on the same way."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from pilot.contract import naming
from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.payload_codes import PayloadCode
from pilot.contract.queue import QueueData
from tests.pilot.dispatcher import QUEUE, serving

ROOT = Path(__file__).parents[4]
RAW, MDST = naming.raw(278473, 12), naming.mdst(278473, 12, 1, 8)
HISTOGRAMS, DUMP = naming.histograms(278473, 12, 1), naming.event_dump(278473, 12, 1)
LOG = naming.log("dvcs2016", 278473, 12, 1, 8)


def ordered(tree, **more):
    return JobSpec(
        id=7,
        attempt=1,
        transformation="coral.exe",
        arguments=("--run", "278473", "--chunk", "12", "--slot", "1", "--phast", "8", "--template", "mu+"),
        processing_type="mass-production",
        home_package=tree.home_package,
        release=more.pop("soft", tree.soft),
        inputs=(FileSpec(RAW, Role.INPUT, dataset="raw"),),
        outputs=tuple(FileSpec(name, Role.OUTPUT, dataset="out") for name in (MDST, HISTOGRAMS, DUMP)),
        log=FileSpec(LOG, Role.LOG, dataset="logFiles"),
        **more,
    )


def run(folder, spec, raw):
    """Let a pilot run one job; answer its exit status, its last words, the final report and the storage."""
    storage = folder / "storage"
    (storage / "raw").mkdir(parents=True)
    (storage / "raw" / RAW).write_text(raw)
    with serving(storage) as dispatcher:
        dispatcher.jobs = [spec]
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("COMPASS_PILOT")},
            "PYTHONPATH": str(ROOT),
            "COMPASS_PILOT__JOB__ASK_WAIT": "0.05",
            "COMPASS_PILOT__MONITOR__FREE_DISK_AT_START": "1000000",
        }
        argv = [sys.executable, "-m", "pilot", "-q", QUEUE, "--url", dispatcher.url, "-a", str(folder / "base")]
        argv += ["--pilot-user", "compass"]
        done = subprocess.run(argv, env=environment, cwd=folder, capture_output=True, text=True, timeout=60)
        (final,) = dispatcher.finals()
    return done, final, storage


def test_a_production_job_is_run_judged_counted_and_stored_under_the_experiments_names(tree, tmp_path):
    done, final, storage = run(tmp_path, ordered(tree), "keep 1\n2\n3\n")
    assert done.returncode == 0, done.stderr
    assert (final["job_status"], final["n_events"]) == ("finished", 3)
    assert set(json.loads(final["job_output_report"])) == {MDST, HISTOGRAMS, DUMP, LOG}
    assert (storage / "out" / DUMP).read_text() == "keep 1\n"
    with tarfile.open(storage / "logFiles" / LOG) as packed:
        names = {Path(name).name for name in packed.getnames()}
    assert "coral.opt" in names
    assert naming.WRITTEN_DUMP not in names


def test_a_job_whose_release_is_not_on_the_node_is_refused_before_anything_is_fetched(tree, tmp_path):
    done, final, _ = run(tmp_path, ordered(tree, soft="elsewhere"), "1\n")
    assert done.returncode != 0
    assert final["pilot_error_code"] == ErrorCode.NO_SOFTWARE_DIR
    assert f"{tree.release.with_name('elsewhere')}: the release is not there" in final["pilot_error_diag"]


def test_a_failure_reaches_the_server_with_the_experiments_number_and_what_to_do(tree, tmp_path):
    program = tree.release / "phast" / "coral" / "coral.exe"
    program.write_text('#!/bin/sh\necho "can\'t connect to CDB database" >&2\nexit 1\n')
    _, final, _ = run(tmp_path, ordered(tree), "1\n")
    assert final["exe_error_code"] == PayloadCode.NO_CALIBRATION_DB
    assert "check its servers" in final["exe_error_diag"]


EXAMPLE = Path(sys.executable).with_name("compass-mc")
WITH_EXAMPLE = pytest.mark.skipif(
    not EXAMPLE.exists() or importlib.util.find_spec("pythia8mc") is None,
    reason="not tested: the programs of examples/mc are not installed here",
)


def example(node, kind, *arguments, outputs=()):
    node.queue = QueueData(name="LOCAL", environ=f"PATH={EXAMPLE.parent}:/usr/bin:/bin")
    return node.spec(kind, "compass-mc", *arguments, outputs=outputs, home_package="")


CHUNK = ("generate", "--run", "278473", "--chunk", "12", "--seed", "17", "--events", "5", "--output")
GENERATED = naming.generated(278473, 12)


@WITH_EXAMPLE
def test_the_examples_program_is_run_unchanged(node):
    ended = node.run(example(node, "mcgen", *CHUNK, GENERATED, outputs=(GENERATED,)))
    assert (ended.problem, ended.metrics["nEvents"]) == (None, 5), ended.outcome.stderr.read_text()


@WITH_EXAMPLE
@pytest.mark.parametrize(("pattern", "code"), [("killed", PayloadCode.KILLED), ("no-events", PayloadCode.NO_EVENTS)])
def test_the_examples_failures_have_the_experiments_numbers(node, pattern, code):
    ended = node.run(example(node, "mcgen", *CHUNK, GENERATED, "--fail", pattern, outputs=(GENERATED,)))
    assert ended.problem.payload_code == code
