"""A real pilot fails a job; its log archive is replayed elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile

import pytest

from pilot import replay
from pilot.errors import ConfigError
from pilot.replay import MISSING, OTHER, SAME, WELL
from tests.pilot.dispatcher import serving
from tests.pilot.test_end_to_end import ROOT, Stage, shell

#: Fails as long as a file outside its directory says so.
SCRIPT = "cat in.txt; echo no beam >&2; pwd > where.txt; exit $(cat {status})"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The log of a job that failed with status 3, far from where it is replayed; what it looks at lies beside it."""
    folder = tmp_path_factory.mktemp("failed")
    with serving(folder / "storage") as dispatcher:
        stage = Stage(folder, dispatcher)
        (stage.storage / "in.txt").write_text("hello\n")
        (folder / "status").write_text("3")
        script = SCRIPT.format(status=folder / "status")
        dispatcher.jobs = [shell(script, inputs=["in.txt"], outputs=["where.txt"])]
        assert stage.run(payload__environment="[SITE_TOKEN]", log__debug="true")[0] == 90
        stage.close()
        return stage.storage / "job.log.tgz"


@pytest.fixture
def status(archive):
    file = archive.parents[2] / "status"
    yield file
    file.write_text("3")


def played(tmp_path, archive, *options):
    said = []
    code = replay.main([str(archive), "--workdir", str(tmp_path / "new"), *options], said.append)
    return code, said


def test_the_same_failure_is_reproduced_elsewhere_and_both_are_shown(tmp_path, archive):
    code, said = played(tmp_path, archive)
    assert code == SAME
    assert [line.partition(":")[0] for line in said[1:]] == ["then", "here", "the same failure"]
    assert said[1].startswith("then: exit status 3; PAYLOAD_FAILED (1305): ")
    assert "no beam" in said[1]
    assert said[1].partition(":")[2] == said[2].partition(":")[2]
    run = tmp_path / "new" / "run"
    assert (run / "payload.stdout").read_text() == "hello\n"
    assert (run / "where.txt").read_text() == f"{run}\n"
    assert (tmp_path / "new" / "original" / "payload.stderr").read_text() == "no beam\n"


def test_a_payload_that_ends_well_elsewhere_is_told(tmp_path, archive, status):
    status.write_text("0")
    code, said = played(tmp_path, archive)
    assert (code, said[-1].partition(":")[0]) == (WELL, "it ended well here")


def test_another_failure_is_told(tmp_path, archive, status):
    status.write_text("4")
    code, said = played(tmp_path, archive)
    assert (code, said[-1]) == (OTHER, "it failed in another way")
    assert said[-2].startswith("here: exit status 4;")


def test_inputs_are_taken_from_a_folder_and_what_differs_is_told(tmp_path, archive):
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs" / "in.txt").write_text("HELLO\n")
    code, said = played(tmp_path, archive, "--inputs", str(tmp_path / "inputs"))
    assert code == SAME
    assert said[1].startswith("different: input in.txt has adler32:")
    assert (tmp_path / "new" / "run" / "payload.stdout").read_text() == "HELLO\n"


def edited(tmp_path, archive, **more):
    """Unpack an archive as people do, and change what its bundle says."""
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "unpacked")
    (path,) = (tmp_path / "unpacked").rglob("replay.json")
    said = json.loads(path.read_text())
    for name, value in more.items():
        said[name] = {**(said[name] or {}), **value} if isinstance(value, dict) else value
    path.write_text(json.dumps(said))
    return tmp_path / "unpacked"


def test_everything_that_is_missing_is_named_and_nothing_is_run(tmp_path, archive):
    gone = {"lfn": "in.txt", "size": 6, "checksum": None, "guid": "", "url": "root://far/in.txt", "endpoint": ""}
    folder = edited(tmp_path, archive, inputs=[gone], command={"argv": ["/no/such/program"]})
    code, said = played(tmp_path, folder)
    assert code == MISSING
    assert said[1:] == [
        "missing: input in.txt (6 bytes, it came from root://far/in.txt); put it into a folder, give --inputs",
        "missing: program /no/such/program",
    ]
    assert not (tmp_path / "new" / "run" / "payload.stdout").exists()


def test_an_input_that_is_read_remotely_need_not_be_here(tmp_path, archive):
    remote = {"lfn": "in.txt", "size": 6, "checksum": None, "url": "root://far/in.txt", "direct": True}
    _, said = played(tmp_path, edited(tmp_path, archive, inputs=[remote]), "--dry-run")
    assert "remote: input in.txt is read from root://far/in.txt" in said
    assert not [line for line in said if line.startswith("missing")]


def test_a_job_that_failed_before_its_payload_began_has_nothing_to_run(tmp_path, archive):
    code, said = played(tmp_path, edited(tmp_path, archive, command=None, inputs=None))
    assert code == MISSING
    assert said[1:] == [
        "missing: input in.txt: it never arrived",
        "missing: the payload: the job failed before it was started",
    ]


def test_what_the_command_names_of_its_directory_comes_from_the_archive(tmp_path, archive):
    folder = edited(tmp_path, archive, command={"argv": ["./fetched.sh"]})
    (unpacked,) = (path.parent for path in folder.rglob("replay.json"))
    (unpacked / "fetched.sh").write_text("#!/bin/sh\nexit 3\n")
    (unpacked / "fetched.sh").chmod(0o755)
    said = json.loads((unpacked / "replay.json").read_text())
    argv = {**said["command"], "argv": [f"{said['command']['workdir']}/fetched.sh"]}
    (unpacked / "replay.json").write_text(json.dumps({**said, "command": argv}))
    assert played(tmp_path, unpacked)[0] == SAME


def test_a_job_of_event_ranges_finds_none_and_that_is_told(tmp_path, archive):
    command, spec = {"argv": ["/bin/sh", "-c", "exit 0"]}, {"eventService": "True"}
    code, said = played(tmp_path, edited(tmp_path, archive, command=command, spec=spec))
    assert said[1] == "different: nobody hands out event ranges here; what the job ran is run once, and finds none"
    assert code == WELL, "what it would have made of them is not looked for"


def test_a_masked_variable_is_told_and_left_out(tmp_path, archive):
    command = {"environment": {"PATH": "/usr/bin:/bin", "SITE_TOKEN": "***"}, "masked": ["SITE_TOKEN"]}
    command["argv"] = ["/bin/sh", "-c", "exit ${SITE_TOKEN:+9}3"]
    code, said = played(tmp_path, edited(tmp_path, archive, command=command))
    assert code == SAME
    assert said[1] == "masked: SITE_TOKEN was set, its value was not kept"


def test_a_promised_output_that_is_not_written_is_the_failure_that_storing_it_would_be(tmp_path, archive):
    problem = {"code": 1165, "name": "OUTPUT_MISSING", "detail": "where.txt was not written", "payload_code": 0}
    folder = edited(
        tmp_path, archive, command={"argv": ["/bin/true"]}, problem=problem, outcome={"status": 0, "signal": None}
    )
    assert played(tmp_path, folder)[0] == SAME


def test_a_dry_run_prepares_everything_and_runs_nothing(tmp_path, archive):
    code, _ = played(tmp_path, archive, "--dry-run")
    assert code == SAME
    assert sorted(path.name for path in (tmp_path / "new" / "run").iterdir()) == ["in.txt", "tmp"]


def test_a_shell_has_the_payloads_place_environment_and_command(tmp_path, archive):
    shell = tmp_path / "shell"
    shell.write_text('#!/bin/sh\npwd; echo "$TMPDIR"; ./payload; echo $?\n')
    shell.chmod(0o755)
    argv = [sys.executable, "-m", "pilot", "replay", str(archive), "--shell", "--workdir", str(tmp_path / "new")]
    environment = {**os.environ, "SHELL": str(shell), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=30)
    run = tmp_path / "new" / "run"
    assert done.stdout.splitlines()[-4:] == [str(run), f"{run}/tmp", "hello", "3"]


def test_a_log_without_a_bundle_is_told(tmp_path):
    (tmp_path / "log").mkdir()
    with pytest.raises(ConfigError, match=r"/log: nothing to replay: only the log of a job that failed has one"):
        played(tmp_path, tmp_path / "log")


def test_what_is_no_archive_is_told(tmp_path):
    (tmp_path / "text").write_bytes(b"\x1f\x8bgarbage")
    with pytest.raises(ConfigError, match="cannot be read as a log archive"):
        played(tmp_path, tmp_path / "text")
    assert not (tmp_path / "new").exists()


def test_a_folder_with_something_in_it_is_not_worked_in(tmp_path, archive):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine").write_text("")
    with pytest.raises(ConfigError, match="--workdir: .* is not empty"):
        played(tmp_path, archive)


def test_nothing_is_unpacked_outside(tmp_path, archive):
    evil = tmp_path / "evil.tgz"
    (tmp_path / "x").write_text("x")
    with tarfile.open(evil, "w:gz") as tar:
        tar.add(tmp_path / "x", "job/../../outside")
        tar.add(tmp_path / "x", "job/inside")
    replay.unpack(evil, tmp_path / "target" / "deep")
    assert [path.name for path in (tmp_path / "target").rglob("*")] == ["deep", "inside"]


@pytest.mark.parametrize("lfn", ["../outside", "/tmp/outside", "a/b", ".."])
def test_an_input_whose_name_leads_out_of_the_directory_is_refused(tmp_path, archive, lfn):
    (tmp_path / "there").write_text("x")
    found = {"lfn": lfn, "size": 1, "checksum": None, "guid": "", "url": f"file://{tmp_path}/there", "endpoint": ""}
    with pytest.raises(ConfigError, match=r"cannot be read as a failure bundle: .*inputs"):
        played(tmp_path, edited(tmp_path, archive, inputs=[found]), "--dry-run")


def test_a_command_with_a_script_in_it_or_a_name_outside_is_no_file_to_bring(tmp_path, archive):
    (tmp_path / "outside.sh").write_text("x")
    script = f"exit 3 # {'x' * 5000}"
    folder = edited(tmp_path, archive, command={"argv": ["/bin/sh", "-c", script, "a/../../../outside.sh", ".."]})
    assert played(tmp_path, folder)[0] == SAME


def test_what_a_container_could_not_do_is_told_as_the_pilot_told_it(tmp_path, archive):
    words = "FATAL:   could not open image /x.sif: failed to retrieve path for /x.sif: no such file or directory"
    noted = {"runtime": "apptainer", "image": "/x.sif", "program": "", "options": []}
    command = {"argv": ["/bin/sh", "-c", f"echo '{words}' >&2; exit 255"]}
    folder = edited(tmp_path, archive, container=noted, command=command)
    code, said = played(tmp_path, folder)
    assert (code, said[-1]) == (OTHER, "it failed in another way")
    assert said[-2].startswith("here: exit status 255; IMAGE_NOT_FOUND (")


def test_bounds_that_this_pilot_does_not_know_are_passed_over(tmp_path, archive):
    assert played(tmp_path, edited(tmp_path, archive, command={"limits": {"memory": 0, "photons": 5}}))[0] == SAME


def test_an_archive_that_is_broken_in_its_middle_is_told(tmp_path, archive):
    content = bytearray(archive.read_bytes())
    content[40:60] = bytes(20)
    (tmp_path / "broken.tgz").write_bytes(content)
    with pytest.raises(ConfigError, match="cannot be read as a log archive"):
        played(tmp_path, tmp_path / "broken.tgz")
    assert not (tmp_path / "new").exists()
