"""Programs as jobs name them."""

from __future__ import annotations

import os

import pytest

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.user.program import Where, find

SCRIPT = "#!/bin/sh\necho hello\n"


def made(folder, name, text=SCRIPT, mode=0o644):
    (folder / name).write_text(text)
    (folder / name).chmod(mode)
    return str(folder / name)


def found(folder, name, path="/usr/bin:/bin", image=""):
    return find(name, "transformation", Where(folder, {"PATH": path}, image))


@pytest.mark.parametrize("name", ["./run.sh", "run.sh", "http://host/trf/run.sh"])
def test_a_script_of_the_jobs_directory_is_made_executable(tmp_path, name):
    script = made(tmp_path, "run.sh")
    assert found(tmp_path, name) == script
    assert os.access(script, os.X_OK)
    assert (tmp_path / "run.sh").stat().st_mode & 0o077 == 0o044  # for its owner alone


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_a_script_that_is_linked_from_a_storage_is_left_there_as_it_is(tmp_path, link):
    made(tmp_path, "stored.sh", mode=0o644)
    link(tmp_path / "stored.sh", tmp_path / "run.sh")
    assert os.access(found(tmp_path, "./run.sh"), os.X_OK)
    assert (tmp_path / "run.sh").read_text() == SCRIPT
    assert (tmp_path / "stored.sh").stat().st_mode & 0o777 == 0o644
    assert len(list(tmp_path.iterdir())) == 2


def test_the_path_comes_before_the_jobs_directory(tmp_path):
    made(tmp_path, "sh")
    assert found(tmp_path, "sh", "/bin") == "/bin/sh"
    assert found(tmp_path, "./sh", "/bin") == str(tmp_path / "sh")


def test_in_a_container_a_name_is_the_images_unless_the_job_brings_the_program(tmp_path):
    assert found(tmp_path, "root", image="/image") == "root"
    assert found(tmp_path, "/opt/run", image="/image") == "/opt/run"
    script = made(tmp_path, "root", "#!/opt/images/own/python\n")
    assert found(tmp_path, "root", image="/image") == script


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("echo hello\n", r"run.sh: neither a program nor a script whose first line names one \(#!/bin/sh\)"),
        ("", "neither a program nor a script"),
        ("#!\n", "neither a program nor a script"),
        ("#!/no/such/python3 -u\n", "its first line names /no/such/python3, which is not on this node"),
        ("#!/bin/sh\r\n", "its lines end as on Windows"),
    ],
)
def test_a_script_that_the_kernel_cannot_run_is_refused_with_the_reason(tmp_path, text, words):
    made(tmp_path, "run.sh", text)
    with pytest.raises(JobFailed, match=words) as caught:
        found(tmp_path, "./run.sh")
    assert caught.value.code is ErrorCode.PAYLOAD_NOT_STARTED


def test_what_a_link_leads_to_is_not_copied_for_a_job_unless_it_is_a_program(tmp_path):
    folder = tmp_path / "job"
    folder.mkdir()
    made(tmp_path, "token", "secret\n")
    (folder / "run.sh").symlink_to(tmp_path / "token")
    with pytest.raises(JobFailed, match="neither a program nor a script"):
        found(folder, "./run.sh", image="/images/el9")
    assert (folder / "run.sh").is_symlink()
    assert [path.name for path in folder.iterdir()] == ["run.sh"]


def test_a_pipe_in_a_scripts_place_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "run.sh")
    with pytest.raises(JobFailed, match="neither a program nor a script"):
        found(tmp_path, "./run.sh")


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("./absent", ErrorCode.PAYLOAD_NOT_STARTED, "absent: not in the job's directory"),
        ("/tmp", ErrorCode.PAYLOAD_NOT_STARTED, "/tmp: it is a folder, not a program"),
        ("/etc/passwd", ErrorCode.PAYLOAD_NOT_STARTED, "/etc/passwd: the pilot's user may not execute it"),
        ("/nowhere/x", ErrorCode.PAYLOAD_NOT_STARTED, "/nowhere/x: there is no such program"),
        ("absent", ErrorCode.PAYLOAD_NOT_STARTED, "absent: there is no such program on the payload's PATH"),
        ("./../run.sh", ErrorCode.BAD_JOB_DEFINITION, "is neither an absolute path"),
        ("a/run.sh", ErrorCode.BAD_JOB_DEFINITION, "is neither an absolute path"),
        ("./folder", ErrorCode.CHMOD_TRF, "folder: cannot be made executable: Is a directory"),
    ],
)
def test_what_is_not_there_is_named(tmp_path, name, code, words):
    (tmp_path / "folder").mkdir()
    with pytest.raises(JobFailed, match=words) as caught:
        found(tmp_path, name)
    assert caught.value.code is code


def test_a_program_is_not_asked_for_its_first_line(tmp_path):
    (tmp_path / "true").write_bytes(b"\x7fELF\x02\x01\n")
    assert found(tmp_path, "./true") == str(tmp_path / "true")
