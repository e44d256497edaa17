from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.job import PayloadCommand
from pilot.runtime.container import command as module
from pilot.runtime.container.command import Found, carried
from pilot.runtime.container.values import Bind, Container, Runtime

HERE = Path("/scratch/PanDA_Pilot-7-1")
SECRET = "pass $(word) 'of'\nsomebody"
COMMAND = PayloadCommand(("simulate", "--events", "a b"), {"KEY": SECRET, "PATH": "/opt/bin"}, HERE)
FOUND = Found("/usr/bin/apptainer", {"HOME": "/home/pilot", "PATH": "/bin"})
PODMAN = Found("/usr/bin/podman", {"HOME": "/home/pilot", "PATH": "/bin"}, image_is_folder=True)
APPTAINER = Container(Runtime.APPTAINER, "/images/el9.sif")
FOLDER = Container(Runtime.PODMAN, "/images/el9")


def wrap(command, container, found):
    return module.wrap(command, container, found, command.workdir / "tmp")


def test_the_command_is_the_last_thing_on_the_line_after_the_image():
    wrapped = wrap(COMMAND, APPTAINER, FOUND)
    assert wrapped.argv[:3] == ("/usr/bin/apptainer", "--silent", "exec")
    assert wrapped.argv[-4:] == ("/images/el9.sif", "simulate", "--events", "a b")
    assert wrapped.workdir == HERE


def test_the_jobs_directory_is_seen_at_its_own_path_and_where_the_site_says():
    argv = wrap(COMMAND, replace(APPTAINER, also_at="/srv"), FOUND).argv
    assert {f"--bind={HERE}:{HERE}", f"--bind={HERE}:/srv", f"--pwd={HERE}", f"--home={HERE}"} <= set(argv)
    assert argv.index(f"--bind={HERE}:{HERE}") < argv.index("/images/el9.sif")


def test_cvmfs_is_seen_where_the_node_has_it_unless_somebody_binds_it():
    chosen = replace(APPTAINER, cvmfs="/mnt/cvmfs")
    assert "--bind=/mnt/cvmfs:/cvmfs:ro" in wrap(COMMAND, chosen, replace(FOUND, cvmfs=True)).argv
    assert "--bind=/mnt/cvmfs:/cvmfs:ro" not in wrap(COMMAND, chosen, FOUND).argv
    own = replace(chosen, binds=(Bind("/other", "/cvmfs"),))
    assert [word for word in wrap(COMMAND, own, replace(FOUND, cvmfs=True)).argv if "cvmfs" in word] == [
        "--bind=/other:/cvmfs"
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"isolation": "all"}, {"--containall", "--cleanenv"}),
        ({"isolation": "contain"}, {"--contain", "--cleanenv"}),
        ({"userns": True}, {"--userns"}),
        ({"gpu": "nvidia"}, {"--nv"}),
        ({"gpu": "amd"}, {"--rocm"}),
        ({"options": ("--no-privs",)}, {"--no-privs"}),
    ],
)
def test_each_wish_is_a_word_for_apptainer(changes, words):
    assert words <= set(wrap(COMMAND, replace(APPTAINER, **changes), FOUND).argv)


def test_without_isolation_nothing_is_contained():
    argv = wrap(COMMAND, replace(APPTAINER, isolation="none"), FOUND).argv
    assert not {"--contain", "--containall", "--userns", "--nv"} & set(argv)


def test_no_value_of_a_variable_stands_on_apptainers_command_line():
    wrapped = wrap(COMMAND, APPTAINER, FOUND)
    assert not [word for word in wrapped.argv if "somebody" in word or "/opt/bin" in word]
    assert wrapped.environment["APPTAINERENV_KEY"] == SECRET
    assert wrapped.environment["APPTAINERENV_PATH"] == "/opt/bin"
    assert wrapped.environment["PATH"] == "/bin"
    assert wrapped.environment["TMPDIR"] == f"{HERE}/tmp"  # where it unpacks images, if it must
    assert "KEY" not in wrapped.environment


def test_singularity_is_given_variables_in_its_own_way():
    wrapped = wrap(COMMAND, replace(APPTAINER, runtime=Runtime.SINGULARITY), replace(FOUND, program="/x/singularity"))
    assert wrapped.environment["SINGULARITYENV_KEY"] == SECRET


@pytest.mark.parametrize("path", ["/a:b", "/a,b"])
def test_a_path_that_cannot_be_named_is_refused(path):
    with pytest.raises(JobFailed, match="cannot be bound") as caught:
        wrap(COMMAND, replace(APPTAINER, binds=(Bind(path, "/x"),)), FOUND)
    assert caught.value.code is ErrorCode.APPTAINER_BIND


def test_podman_is_told_names_and_takes_the_values_from_its_environment():
    wrapped = wrap(COMMAND, FOLDER, PODMAN)
    assert "--env=KEY" in wrapped.argv
    assert not [word for word in wrapped.argv if "somebody" in word]
    assert wrapped.environment["KEY"] == SECRET


def test_what_would_disturb_podman_itself_is_written_out():
    wrapped = wrap(COMMAND, FOLDER, PODMAN)
    assert "--env=PATH=/opt/bin" in wrapped.argv
    assert wrapped.environment["PATH"] == "/bin"


@pytest.mark.parametrize("name", ["PODMAN_USERNS", "XTABLES_LIBDIR", "GCONV_PATH", "OPENSSL_CONF", "LD_PRELOAD"])
def test_no_variable_of_a_jobs_choice_leads_podman_or_what_it_starts_outside_of_the_container(name):
    wrapped = wrap(COMMAND, replace(FOLDER, environment=((name, "/job/evil"),)), PODMAN)
    assert f"--env={name}=/job/evil" in wrapped.argv
    assert name not in wrapped.environment


@pytest.mark.parametrize("name", ["DOCKER_PASSWORD", "STORAGE_KEY", "CONTAINER_TOKEN", "http_proxy"])
def test_nothing_that_might_be_a_secret_is_written_out(name):
    command = replace(COMMAND, environment={name: SECRET})
    wrapped = wrap(command, FOLDER, replace(PODMAN, environment={"http_proxy": "http://site:1"}))
    assert f"--env={name}" in wrapped.argv
    assert wrapped.environment[name] == SECRET


def test_podman_runs_a_folder_as_it_is_and_an_address_as_an_image():
    assert wrap(COMMAND, FOLDER, PODMAN).argv[-5:] == ("--rootfs", "/images/el9:O", "simulate", "--events", "a b")
    address = replace(FOLDER, image="docker://host/el9")
    assert wrap(COMMAND, address, replace(PODMAN, image_is_folder=False)).argv[-4] == "docker://host/el9"


def test_podman_binds_the_jobs_directory_and_its_temporary_folder():
    argv = wrap(COMMAND, replace(FOLDER, also_at="/srv", binds=(Bind("/a", "/b", read_only=True),)), PODMAN).argv
    volumes = [word for word in argv if word.startswith("--volume")]
    assert volumes == [
        f"--volume={HERE}/tmp:/tmp",
        "--volume=/a:/b:ro",
        f"--volume={HERE}:{HERE}",
        f"--volume={HERE}:/srv",
    ]
    assert {f"--workdir={HERE}", f"--env=HOME={HERE}", f"--label=compass-pilot={HERE}/tmp", "--rm"} <= set(argv)


@pytest.mark.parametrize(
    ("changes", "found", "there", "absent"),
    [
        ({}, {}, {"--network=host"}, {"--pid=host", "--init", "--userns=keep-id"}),
        ({"options": ("--network=none",)}, {}, {"--network=none"}, {"--network=host"}),
        ({"isolation": "contain"}, {"init": True}, {"--pid=host", "--ipc=host"}, {"--init"}),
        ({}, {"init": True}, {"--init"}, set()),
        ({"userns": True}, {}, {"--userns=keep-id"}, set()),
        ({"userns": True}, {"root": True}, set(), {"--userns=keep-id"}),
        ({"gpu": "nvidia"}, {}, {"--device=nvidia.com/gpu=all"}, set()),
        ({"gpu": "amd"}, {}, {"--device=/dev/kfd", "--device=/dev/dri"}, set()),
    ],
)
def test_each_wish_is_a_word_for_podman(changes, found, there, absent):
    argv = set(wrap(COMMAND, replace(FOLDER, **changes), replace(PODMAN, **found)).argv)
    assert there <= argv
    assert not absent & argv


def test_podman_of_root_has_a_mount_namespace_of_its_own():
    argv = wrap(COMMAND, FOLDER, replace(PODMAN, root=True, unshare="/usr/bin/unshare")).argv
    assert argv[:4] == ("/usr/bin/unshare", "--mount", "--propagation=slave", "/usr/bin/podman")


def test_what_describes_the_node_is_left_outside_unless_somebody_set_it_for_the_payload():
    own = {"PATH": "/bin", "LANG": "C", "HOME": "/home/pilot", "USER": "pilot"}
    payload = {
        "PATH": "/bin",
        "LANG": "de",
        "HOME": "/home/pilot",
        "USER": "pilot",
        "PWD": "/x",
        "LD_LIBRARY_PATH": "/s",
    }
    assert carried(payload, own | {"LD_LIBRARY_PATH": "/lib"}) == {
        "LANG": "de",
        "USER": "pilot",
        "LD_LIBRARY_PATH": "/s",
    }
    assert carried({"PATH": "/default"}, {}) == {}


@pytest.mark.parametrize(("chosen", "found"), [(APPTAINER, FOUND), (FOLDER, PODMAN)])
def test_a_jobs_own_variables_win_and_are_never_on_the_command_line(chosen, found):
    wrapped = wrap(COMMAND, replace(chosen, environment=(("KEY", "new value"), ("OTHER", "more"))), found)
    inside = {name.replace("APPTAINERENV_", ""): value for name, value in wrapped.environment.items()}
    assert (inside["KEY"], inside["OTHER"]) == ("new value", "more")
    assert not any("new value" in word or "more" in word for word in wrapped.argv)
