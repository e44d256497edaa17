from __future__ import annotations

import pytest

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.runtime.container.options import read_bind, read_text
from pilot.runtime.container.values import Bind, Runtime

WHERE = "container_options of queue Q"
ANY = (Runtime.APPTAINER, Runtime.SINGULARITY)


@pytest.mark.parametrize("runtime", ANY)
def test_options_are_words_and_binds_are_told_apart(runtime):
    read = read_text("-c --nv -B /scratch:/s:ro,/data --bind=/a:/b --security 'uid:1 2'", runtime, WHERE)
    assert read.words == ("--contain", "--nv", "--security=uid:1 2")
    assert read.binds == (Bind("/scratch", "/s", read_only=True), Bind("/data", "/data"), Bind("/a", "/b"))


def test_podmans_options_are_its_own():
    read = read_text("-v /data:/data:ro --network none --ulimit nofile=1024:1024", Runtime.PODMAN, WHERE)
    assert read.words == ("--network=none", "--ulimit=nofile=1024:1024")
    assert read.binds == (Bind("/data", "/data", read_only=True),)


def test_nothing_means_nothing():
    assert read_text("  ", Runtime.APPTAINER, WHERE).words == ()


@pytest.mark.parametrize(
    ("text", "runtime", "words"),
    [
        ("--contian", Runtime.APPTAINER, "--contian is not an option.*did you mean --contain"),
        ("--env X=1", Runtime.APPTAINER, "--env is not an option that this pilot passes on to apptainer"),
        ("--privileged", Runtime.PODMAN, "--privileged is not an option"),
        ("--keep-privs", Runtime.APPTAINER, "--keep-privs is not an option"),
        ("/scratch:/scratch", Runtime.APPTAINER, "'/scratch:/scratch' is not an option; quote"),
        ("--contain=yes", Runtime.APPTAINER, "--contain takes no value"),
        ("--contain --bind", Runtime.APPTAINER, "--bind lacks its value"),
        ("--bind --contain", Runtime.APPTAINER, "--bind lacks its value"),
        ("--nv; rm", Runtime.APPTAINER, "--nv; is not an option"),
        ("--bind '/a", Runtime.APPTAINER, "No closing quotation"),
        ("--bind scratch", Runtime.APPTAINER, "'scratch' is not source"),
        ("--bind /a:/b:rx", Runtime.APPTAINER, "'/a:/b:rx' is not source"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(text, runtime, words):
    with pytest.raises(JobFailed, match=f"{WHERE}: .*{words}") as caught:
        read_text(text, runtime, WHERE)
    assert caught.value.code is ErrorCode.BAD_QUEUE_CONFIGURATION


@pytest.mark.parametrize(
    ("text", "bind"),
    [
        ("/a", Bind("/a", "/a")),
        ("/a:/b", Bind("/a", "/b")),
        ("/a:/b:ro", Bind("/a", "/b", read_only=True)),
        ("/a::ro", Bind("/a", "/a", read_only=True)),
        ("/a:/b/../c:rw", Bind("/a", "/c")),
    ],
)
def test_a_bind_is_a_source_a_target_and_a_way(text, bind):
    assert read_bind(text, WHERE) == bind
