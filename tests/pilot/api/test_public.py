"""What is public, and the programs of the pages about it, run as a reader would run them."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pilot import api
from pilot.contract.job import JobSpec
from tests.pilot.dispatcher import QUEUE, serving

ROOT = Path(__file__).parents[3]


def program(page):
    (text,) = re.findall(r"```python\n(.*?)```", (ROOT / "doc" / page).read_text(), re.DOTALL)
    return text


def run(page, *words, folder):
    return subprocess.run(
        [sys.executable, "-c", program(page), *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("name", api.PUBLIC)
def test_every_public_module_is_there_and_on_the_page(name):
    importlib.import_module(f"pilot.api.{name}")
    assert f"`pilot.api.{name}`" in (ROOT / "doc/explanation/public-apis.md").read_text()


def test_the_public_interfaces_have_a_version_of_three_numbers():
    assert re.fullmatch(r"\d+\.\d+\.\d+", api.__version__)


@pytest.mark.parametrize(("cores", "status", "words"), [("1", 0, ": fit\n"), ("100000", 1, "100000 are needed")])
def test_the_program_that_looks_at_a_node(tmp_path, cores, status, words):
    done = run("howto/look-at-a-node.md", cores, "0.001", folder=tmp_path)
    assert done.returncode == status, done.stderr
    assert words in done.stdout


def test_the_program_that_speaks_with_a_server(tmp_path):
    (tmp_path / "token").write_text("tok-1\n")
    with serving(tmp_path) as dispatcher:
        dispatcher.queue["corecount"] = 4
        dispatcher.jobs = [JobSpec(id=7, attempt=1, transformation="sim")]
        done = run("howto/speak-with-a-server.md", dispatcher.url, QUEUE, "token", folder=tmp_path)
        assert done.stderr == ""
        assert done.stdout == f"{QUEUE} has 4 cores to a job\njob 7: sim; the server agrees\n"
        assert [update["job_status"] for update in dispatcher.updates] == ["running", "failed"]
        assert dispatcher.headers[0]["Authorization"] == "Bearer tok-1"


def test_the_same_program_names_what_is_wrong_and_whether_to_try_again(tmp_path):
    (tmp_path / "token").write_text("tok-1\n")
    done = run("howto/speak-with-a-server.md", "http://127.0.0.1:9", QUEUE, "token", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("; try again")


def test_a_tool_may_speak_with_harvester_by_files(tmp_path):
    from pilot.api.shared_files import AccessPoint, SharedFiles
    from pilot.contract.messages import WorkRequest

    (tmp_path / "HPCJobs.json").write_text(json.dumps({"7": {"PandaID": 7, "transformation": "sim"}}))
    assert [job.id for job in SharedFiles(AccessPoint(tmp_path)).acquire(WorkRequest("Q"), "r1").jobs] == [7]


def test_the_programs_of_the_pages_are_typed_by_the_strictest_rules(tmp_path):
    pytest.importorskip("mypy", reason="not tested: mypy is not installed")
    named = (ROOT / "doc/explanation/public-apis.md").read_text()
    payloads = {"howto/write-an-event-payload.md"}  # with a module that the pilot puts beside it
    pages = {*re.findall(r"\.\./(howto/[a-z-]+\.md)", named), "howto/write-a-plugin.md"} - payloads
    for page in pages:
        for at, text in enumerate(re.findall(r"```python\n(.*?)```", (ROOT / "doc" / page).read_text(), re.DOTALL)):
            (tmp_path / f"{Path(page).stem}-{at}.py").write_text(text)
    files = sorted(tmp_path.glob("*.py"))
    assert len(files) >= 4
    options = ["--strict", "--follow-imports", "silent", "--config-file", "", "--cache-dir", str(ROOT / ".mypy_cache")]
    told = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "--scripts-are-modules", *map(str, files)],
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert told.returncode == 0, told.stdout


def test_type_checkers_find_the_types_of_what_is_installed():
    assert all((ROOT / package / "py.typed").is_file() for package in ("pilot", "client", "server"))
