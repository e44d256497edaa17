from __future__ import annotations

import pytest

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.runtime.container.asked import NEVER, Asked, read_asked
from pilot.runtime.container.options import names
from pilot.runtime.container.values import Bind, Runtime
from pilot.settings.sections import Container

SITE = Container(job_binds=("/cvmfs", "/scratch/users:rw"))


def asked(*words, runtime=Runtime.APPTAINER, site=SITE):
    return read_asked(words, runtime, site)


def refused(*words, runtime=Runtime.APPTAINER, site=SITE):
    with pytest.raises(JobFailed) as caught:
        read_asked(words, runtime, site)
    return caught.value.code, caught.value.detail


def test_a_job_that_asks_for_nothing_gets_nothing():
    assert asked() == Asked()


def test_a_job_may_choose_among_the_options_that_the_site_lists():
    assert asked("-c", "--nv", "-S", "/fast").words == ("--contain", "--nv", "--scratch=/fast")
    podman = asked("--network", "none", "--shm-size=1g", "--userns=keep-id", runtime=Runtime.PODMAN)
    assert podman.words == ("--network=none", "--shm-size=1g", "--userns=keep-id")


def test_a_job_may_bring_variables_of_its_own():
    found = asked("--env", "GREETING=a b=c", "--env=EMPTY=", "--nv")
    assert found.environment == (("GREETING", "a b=c"), ("EMPTY", ""))
    assert found.words == ("--nv",)


@pytest.mark.parametrize(
    "words", [("--env", "HOME=/root"), ("--env=PWD=/"), ("--env", "1A=b"), ("--env",), ("--env=A",)]
)
def test_a_variable_that_cannot_be_is_refused(words):
    code, detail = refused(*([words] if isinstance(words, str) else words))
    assert code is ErrorCode.CONTAINER_NOT_PERMITTED
    assert "is not NAME=value, of a variable other than HOME, PWD" in detail


def test_a_job_binds_what_lies_below_the_sites_folders_and_may_write_only_where_the_site_says():
    found = asked("--bind", "/cvmfs/a/../b:/data,/scratch/users/x", "-B", "/scratch/users:/u:ro")
    assert found.binds == (
        Bind("/cvmfs/b", "/data", read_only=True, within="/cvmfs"),
        Bind("/scratch/users/x", "/scratch/users/x", within="/scratch/users"),
        Bind("/scratch/users", "/u", read_only=True, within="/scratch/users"),
    )


@pytest.mark.parametrize("source", ["/", "/etc", "/cvmfs/../etc", "/cvmfsx", "/scratch", "//", "/cvmfs/../.."])
@pytest.mark.parametrize(("runtime", "option"), [(Runtime.APPTAINER, "--bind"), (Runtime.PODMAN, "--volume")])
def test_a_job_cannot_bind_anything_else_of_the_node(source, runtime, option):
    code, detail = refused(option, f"{source}:/host", runtime=runtime)
    assert code is ErrorCode.CONTAINER_NOT_PERMITTED
    assert "is not below what jobs may bind here (/cvmfs, /scratch/users:rw)" in detail


def test_a_site_may_let_jobs_bind_nothing():
    assert "may bind here (nothing)" in refused("-B", "/cvmfs", site=Container(job_binds=()))[1]


@pytest.mark.parametrize(
    ("runtime", "word"),
    [
        (Runtime.APPTAINER, "--keep-privs"),
        (Runtime.APPTAINER, "--add-caps=all"),
        (Runtime.APPTAINER, "--allow-setuid"),
        (Runtime.APPTAINER, "--security=uid:0"),
        (Runtime.APPTAINER, "--fakeroot"),
        (Runtime.APPTAINER, "--overlay=/etc"),
        (Runtime.APPTAINER, "--mount=type=bind,source=/,destination=/host"),
        (Runtime.APPTAINER, "--no-eval"),
        (Runtime.APPTAINER, "--home=/root"),
        (Runtime.APPTAINER, "--env-file=/etc/shadow"),
        (Runtime.PODMAN, "--privileged"),
        (Runtime.PODMAN, "--cap-add=ALL"),
        (Runtime.PODMAN, "--security-opt=label=disable"),
        (Runtime.PODMAN, "--device=/dev/sda"),
        (Runtime.PODMAN, "--user=0"),
        (Runtime.PODMAN, "--volumes-from=other"),
        (Runtime.PODMAN, "--mount=type=bind,src=/,dst=/host"),
        (Runtime.PODMAN, "--runtime=/tmp/mine"),
        (Runtime.PODMAN, "--pid=host"),
        (Runtime.PODMAN, "--ipc=host"),
        (Runtime.PODMAN, "--userns=host"),
        (Runtime.PODMAN, "--network=container:other"),
        (Runtime.PODMAN, "--uts=host"),
        (Runtime.APPTAINER, "; rm -rf /"),
        (Runtime.APPTAINER, "image.sif"),
    ],
)
def test_what_would_give_a_job_more_rights_or_more_of_the_node_is_refused_by_name(runtime, word):
    code, detail = refused(word, runtime=runtime)
    assert code is ErrorCode.CONTAINER_NOT_PERMITTED
    assert detail.startswith("containerOptions.execArgs: ")
    assert word.partition("=")[0] in detail


def test_a_site_lists_what_its_jobs_may_have_and_no_more():
    assert asked("--dns=10.0.0.1", site=Container(job_options=("--dns",))).words == ("--dns=10.0.0.1",)
    code, detail = refused("--nv", site=Container(job_options=("--dns",)))
    assert code is ErrorCode.CONTAINER_NOT_PERMITTED
    assert "--nv is not an option that jobs may choose here (--dns)" in detail


@pytest.mark.parametrize(
    ("site", "words"),
    [
        (Container(job_options=("--security",)), "container.job_options: --security is not for jobs"),
        (Container(job_options=("--nvv",)), "container.job_options: --nvv is not the long name of an option"),
        (Container(job_binds=("/",)), "container.job_binds: '/' is not folder"),
        (Container(job_binds=("scratch",)), "container.job_binds: 'scratch' is not folder"),
        (Container(job_binds=("/a:rx",)), "container.job_binds: '/a:rx' is not folder"),
    ],
)
def test_a_list_of_the_site_that_cannot_be_meant_is_the_sites_fault(site, words):
    code, detail = refused("--bind=/a/b", "--nv", site=site)
    assert code is ErrorCode.BAD_CONFIGURATION
    assert words in detail


def test_what_jobs_never_get_is_not_offered_by_the_defaults():
    assert not NEVER & set(Container().job_options)
    assert set(Container().job_options) <= names()


def test_a_bind_that_is_none_is_refused_by_name():
    assert refused("--bind", "relative:/a") == (
        ErrorCode.CONTAINER_NOT_PERMITTED,
        "containerOptions.execArgs: 'relative:/a' is not source[:target[:ro]] with absolute paths",
    )
