"""What an admin and a queue may say of a system that psij speaks with, and what psij is told of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pilot.contract.codec import ContractError
from server.batch.base import BatchMisconfigured, Needs
from server.batch.place import Place
from server.batch.psij_options import EXECUTORS, PsijJobOptions, PsijOptions, describe, interpreter, read_system

NEEDS = Needs(nodes=2, cores=8, memory=2**30, wall_time=3601.0)


def read(**said):
    return read_system(Place("site", Path("/shared/site"), {"executor": "pbs", **said}))


def test_what_is_left_out_has_a_value():
    options = read()
    assert (options.folder, options.python, options.timeout) == ("", "python3", 60.0)
    assert interpreter(options) == sys.executable
    assert interpreter(read(psij_python="/bin/sh")) == "/bin/sh"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"executor": ""}, "options.executor: '': give one of cobalt, lsf, pbs, pbs_classic, slurm"),
        ({"executor": "local"}, "options.executor: 'local'"),
        ({"folder": "a"}, "options.folder: 'a': give an absolute path"),
        ({"folder": "/a b"}, "options.folder"),
        ({"folder": '/a"'}, "options.folder"),
        ({"folder": "/a\nb"}, "options.folder"),
        ({"programs": "bin"}, "options.programs: 'bin': give an absolute path"),
        ({"environment": {"A B": "x"}}, "options.environment: 'A B'"),
        ({"environment": {"A": 1}}, "options.environment: 'A': give"),
        ({"python": ""}, "options.python"),
        ({"python": "a\nb"}, "options.python"),
        ({"psij_python": "/no/such"}, "options.psij_python: '/no/such' is no program"),
        ({"timeout": 0}, "options.timeout: 0"),
        ({"timeout": 1e6}, "options.timeout: 1000000"),
        ({"no_such": 1}, "no_such"),
    ],
)
def test_options_that_cannot_be_are_refused_by_name(said, words):
    with pytest.raises(BatchMisconfigured, match=f"batch system site: .*{words}"):
        read(**said)


def test_a_name_that_is_no_folder_is_refused():
    with pytest.raises(BatchMisconfigured, match="name: '../up'"):
        read_system(Place("../up", Path("/shared"), {"executor": "lsf"}))


@pytest.mark.parametrize("value", ["x\n#PBS -o /etc/x", "$(id)", "`id`", 'x"', "x'", "x;id", "x\\", "", "é"])
def test_a_value_that_could_be_more_than_one_is_refused(value):
    with pytest.raises(ContractError, match="job options.attributes.l"):
        PsijJobOptions(attributes={"l": value})
    if value:
        with pytest.raises(ContractError, match="job options.account"):
            PsijJobOptions(account=value)


def test_a_value_that_is_no_text_is_refused():
    with pytest.raises(ContractError, match="job options.attributes.p: 5"):
        PsijJobOptions(attributes={"p": 5})


def test_psij_is_told_what_a_job_needs():
    options = PsijJobOptions(
        queue="prod", account="compass", reservation="r1", attributes={"l": "filesystems=home:data"}
    )
    assert describe("site", PsijOptions("pbs"), NEEDS, options, "a-key-of-many-letters") == {
        "nodes": 2,
        "processes": 8,
        "cores": 1,
        "memory": 2**30,
        "exclusive": False,
        "duration": 3660,
        "queue": "prod",
        "account": "compass",
        "reservation": "r1",
        "drop": [],
        "add": ["#PBS -N cf-many-letters", "#PBS -r n", "#PBS -l filesystems=home:data"],
    }


@pytest.mark.parametrize("executor", EXECUTORS)
def test_each_executor_gives_its_jobs_a_name_by_a_directive_of_its_own(executor):
    said = describe("site", PsijOptions(executor), NEEDS, PsijJobOptions(), "key")
    assert EXECUTORS[executor].directive.format(EXECUTORS[executor].title, "ckey") in said["add"]
    assert (said["processes"], said["cores"]) == ((1, 8) if executor == "slurm" else (8, 1))


def test_the_time_of_a_job_of_cobalt_is_a_directive_of_its_own():
    said = describe("site", PsijOptions("cobalt"), NEEDS, PsijJobOptions(), "key")
    assert said["duration"] is None
    assert said["add"] == ["#COBALT --jobname=ckey", "#COBALT --time=61"]
    without = describe("site", PsijOptions("cobalt"), Needs(), PsijJobOptions(), "key")
    assert without["add"] == ["#COBALT --jobname=ckey"]


@pytest.mark.parametrize(
    ("executor", "needs", "attributes", "words"),
    [
        ("pbs", NEEDS, {"o": "/x"}, "job options.attributes.o: not with the executor pbs: a queue may add l, p, P"),
        ("pbs", NEEDS, {"l": "a b"}, "job options.attributes.l: 'a b' has letters that pbs reads otherwise"),
        ("cobalt", NEEDS, {"attrs": "a|b"}, "job options.attributes.attrs: 'a|b' has letters"),
        ("slurm", NEEDS, {"wrap": "id"}, "job options.attributes.wrap: not with the executor slurm"),
        ("lsf", Needs(), {}, "needs.wall_time: psij's executor lsf cannot leave it out"),
    ],
)
def test_what_psij_cannot_ask_for_is_refused_with_the_remedy(executor, needs, attributes, words):
    with pytest.raises(BatchMisconfigured, match=f"batch system site: {words}"):
        describe("site", PsijOptions(executor), needs, PsijJobOptions(attributes=attributes), "key")


def test_an_lsf_is_asked_for_slots_of_each_node_and_one_with_csm_for_nodes():
    needs = Needs(nodes=2, cores=8, wall_time=60.0, whole_nodes=True)
    options = PsijJobOptions(attributes={"R": "rusage[mem=100]"})
    plain = describe("site", PsijOptions("lsf"), needs, options, "key")
    assert plain["drop"] == ["#BSUB -nnodes "]
    assert plain["add"] == ["#BSUB -x", '#BSUB -J "ckey"', '#BSUB -R "rusage[mem=100] span[ptile=8]"']
    with_csm = describe("site", PsijOptions("lsf", csm=True), needs, PsijJobOptions(), "key")
    assert (with_csm["drop"], with_csm["add"]) == ([], ['#BSUB -J "ckey"'])
