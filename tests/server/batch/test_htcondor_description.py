"""What is submitted to HTCondor, made of a template."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.batch.base import BatchMisconfigured, Needs, Template
from server.batch.htcondor_description import Submission, describe
from server.batch.htcondor_options import HTCondorJobOptions, HTCondorOptions

HOME = Path("/var/batch/k1")
NEEDS = Needs(cores=8, memory=16 * 2**30 + 1, disk=10 * 2**30, wall_time=3601.0)


PLAIN, NOTHING = HTCondorOptions(), HTCondorJobOptions()
WORDS = ("/bin/sh", "wrapper.sh", "-q", "A")


def lines(options=PLAIN, job=NOTHING, home=HOME, argv=WORDS, **more):
    template = Template("k1", argv, {"PATH": "/bin"}, **more)
    return describe(template, Submission("pool", home, 3), options, job)


def test_a_plain_job_is_whole():
    assert lines() == {
        "universe": "vanilla",
        "executable": "/bin/sh",
        "arguments": "\"'wrapper.sh' '-q' 'A'\"",
        "transfer_executable": "false",
        "environment": "\"'PATH=/bin' 'COMPASS_BATCH_ID=k1/$(ClusterId).$(ProcId)'"
        " 'PANDA_JSID=k1/$(ClusterId).$(ProcId)' 'COMPASS_BATCH_DIRECTORY=/var/batch/k1/$(ProcId)'\"",
        "initialdir": "/var/batch/k1/$(ProcId)",
        "output": "stdout",
        "error": "stderr",
        "should_transfer_files": "YES",
        "when_to_transfer_output": "ON_EXIT",
        "transfer_input_files": "",
        "transfer_output_files": '""',
        "notification": "never",
        "batch_name": "k1",
        "priority": "0",
        "My.CompassKey": '"k1"',
        "My.CompassSystem": '"pool"',
        "My.CompassCount": "3",
        "kill_sig": "SIGTERM",
        "remove_kill_sig": "SIGTERM",
        "My.WantGracefulRemoval": "true",
        "job_max_vacate_time": "60",
        "periodic_remove": "(JobStatus == 5 && time() - EnteredCurrentStatus > 86400)"
        " || (JobStatus == 1 && NumJobStarts > 0)",
        "request_cpus": "1",
    }


def test_needs_are_rounded_up_to_htcondors_units():
    found = lines(needs=NEEDS, grace=9.5)
    assert (found["request_cpus"], found["request_memory"], found["request_disk"]) == ("8", "16385", "10485760")
    assert (found["My.MaxRuntime"], found["allowed_job_duration"]) == ("3601", "3611")
    assert found["job_max_vacate_time"] == "10"
    assert lines(grace=0.0)["job_max_vacate_time"] == "2"


def test_a_computing_element_hears_of_the_needs_in_its_own_words():
    for found in (
        lines(HTCondorOptions(ce=True), needs=NEEDS),
        lines(job=HTCondorJobOptions(grid_resource="condor ce ce:9619"), needs=NEEDS),
    ):
        assert (found["My.xcount"], found["My.maxMemory"], found["My.maxWallTime"]) == ("8", "16385", "61")
    assert not any(name.startswith("My.max") for name in lines(needs=NEEDS))
    assert "My.maxMemory" not in lines(HTCondorOptions(ce=True))


def test_a_whole_node_is_all_that_a_slot_has_and_a_computing_element_is_asked_in_its_words():
    assert lines(needs=Needs(cores=8, whole_nodes=True))["request_cpus"] == "max({8, TARGET.TotalSlotCpus ?: 0})"
    routed = lines(HTCondorOptions(ce=True), needs=Needs(cores=8, whole_nodes=True))
    assert (routed["request_cpus"], routed["My.WantWholeNode"]) == ("8", "true")


def test_several_nodes_are_refused():
    with pytest.raises(BatchMisconfigured, match="needs.nodes: 2"):
        lines(needs=Needs(nodes=2))


def test_files_are_sent_under_the_names_by_which_jobs_find_them():
    files = {"pilot-wrapper.sh": Path("/usr/share/w.sh"), "token": Path("/etc/secret-7")}
    assert (
        lines(files=files)["transfer_input_files"] == "/var/batch/k1/files/pilot-wrapper.sh, /var/batch/k1/files/token"
    )


@pytest.mark.parametrize("name", ["a b", "a,b", "../a", "/a", "-a", "", "a\n"])
def test_names_of_files_that_would_be_more_than_one_are_refused(name):
    with pytest.raises(BatchMisconfigured, match="files"):
        lines(files={name: Path("/x")})


def test_a_folder_with_a_comma_cannot_send_files():
    assert lines(home=Path("/a,b"))["initialdir"] == "/a,b/$(ProcId)"
    with pytest.raises(BatchMisconfigured, match="comma"):
        lines(home=Path("/a,b"), files={"x": Path("/x")})


def test_a_folder_is_not_expanded():
    assert lines(home=Path("/a$(X)"))["initialdir"] == "/a$(DOLLAR)(X)/$(ProcId)"


def test_words_that_cannot_be_said_are_refused():
    with pytest.raises(BatchMisconfigured, match="argv"):
        lines(argv=("/bin/sh", "-c", "a\nb"))


def test_credentials_go_with_jobs_by_the_names_of_their_files():
    found = lines(HTCondorOptions(proxy="/p", scitoken="/s"))
    assert (found["use_x509userproxy"], found["x509userproxy"]) == ("true", "/p")
    assert "scitokens_file" not in found
    routed = lines(HTCondorOptions(scitoken="/s"), HTCondorJobOptions(grid_resource="condor a b"))
    assert (routed["use_scitokens"], routed["scitokens_file"]) == ("true", "/s")


def test_spooled_jobs_stay_until_they_are_fetched():
    assert "JobStatus == 4" in lines(HTCondorOptions(spool=True))["leave_in_queue"]
    assert "leave_in_queue" not in lines()


def test_what_a_queue_adds_is_written_and_what_it_does_not_is_not():
    job = HTCondorJobOptions(
        requirements='regexp("^n$", Machine)',
        rank="Memory",
        accounting_group="group_a",
        accounting_user="u",
        attributes={"queue": "long", "nominal": "7"},
        priority=4,
        hold_on="76, 94",
        held_limit=60.5,
        stream=True,
    )
    found = lines(job=job)
    assert found["requirements"] == 'regexp("^n$(DOLLAR)", Machine)'
    assert (found["rank"], found["accounting_group"], found["accounting_group_user"]) == ("Memory", "group_a", "u")
    assert (found["My.queue"], found["My.nominal"], found["priority"]) == ('"long"', "7", "4")
    assert found["on_exit_hold"] == "ExitBySignal =!= true && member(ExitCode, {76, 94})"
    assert "EnteredCurrentStatus > 61" in found["periodic_remove"]
    assert found["stream_output"] == found["stream_error"] == "true"
    assert not {"rank", "requirements", "on_exit_hold", "stream_output", "container_image"} & set(lines())


def test_a_container_and_a_computing_element_are_universes_of_their_own():
    inside = lines(job=HTCondorJobOptions(container_image="/image.sif"))
    assert (inside["universe"], inside["container_image"], inside["transfer_container"]) == (
        "container",
        "/image.sif",
        "false",
    )
    routed = lines(job=HTCondorJobOptions(grid_resource="condor ce ce:9619"))
    assert (routed["universe"], routed["grid_resource"]) == ("grid", "condor ce ce:9619")


def test_no_value_adds_a_line():
    job = HTCondorJobOptions(attributes={"a": 'x" y'}, requirements="a && b")
    assert not any("\n" in text for pair in lines(job=job, needs=NEEDS).items() for text in pair)
