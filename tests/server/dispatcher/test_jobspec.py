"""Jobs in PanDA's order of columns become jobs as they are submitted here, or are refused by name."""

from __future__ import annotations

import json

import pytest

from pilot.contract.codec import ContractError, read
from pilot.contract.job import Role
from pilot.contract.order import order_from_wire
from server.dispatcher.columns import FILE_COLUMNS, JOB_COLUMNS
from server.dispatcher.jobspec import JOBS, order_fields

NEW = {"transformation": "run.py", "computingSite": "LOCAL", "prodSourceLabel": "user", "jobParameters": "-a 'b c'"}
UNSAID = {"maxAttempt": 0, "coreCount": "NULL", "maxWalltime": None, "minRamCount": 0, "eventService": "NULL"}
SET_BY_CLIENTS = {"creationHost": "here", "prodUserID": "/CN=me", "jobsetID": 7, "cloud": "CERN", "VO": "compass"}


def file(**columns):
    return [*(columns.get(name, "NULL") for name in FILE_COLUMNS), None]


def state(*files, **columns):
    said = {**NEW, **UNSAID, **SET_BY_CLIENTS, **columns}
    return [*(said.get(name) for name in JOB_COLUMNS), list(files)]


OUT = file(lfn="out.root", type="output", destinationDBlock="user.out", destinationSE="DISK", dataset="user.out")
LOG = file(lfn="job.log.tgz", type="log", dataset="user.log", destinationDBlockToken="dst:TAPE,other")
IN = file(lfn="in.root", type="input", dataset="data", fsize=7, checksum="ad:0000000a", scope="s", destinationSE="X")


def test_a_job_is_taken_over_with_its_files():
    order = order_from_wire(order_fields(state(OUT, LOG, IN, currentPriority=1000, coreCount=4, maxAttempt=5), "job"))
    spec = order.spec
    assert (order.queue, order.max_attempts, spec.cores, spec.priority) == ("LOCAL", 5, 4, 1000)
    assert (spec.transformation, spec.arguments, spec.label) == ("run.py", ("-a", "b c"), "user")
    assert [(one.lfn, one.role, one.dataset, one.endpoint) for one in spec.files] == [
        ("in.root", Role.INPUT, "data", ""),
        ("out.root", Role.OUTPUT, "user.out", "DISK"),
        ("job.log.tgz", Role.LOG, "user.log", "TAPE"),
    ]
    assert (spec.inputs[0].size, spec.inputs[0].checksum) == (7, "adler32:0000000a")


def test_what_a_client_leaves_out_is_chosen_here():
    order = order_from_wire(order_fields(state(), "job"))
    plain = order_from_wire({"transformation": "run.py", "computingSite": "LOCAL"})
    assert (order.max_attempts, order.spec.cores, order.spec.memory) == (plain.max_attempts, plain.spec.cores, 0)


def test_the_assigned_priority_counts_where_there_is_no_other():
    assert order_fields(state(assignedPriority=700, currentPriority=0), "job")["currentPriority"] == 700


def test_a_client_may_be_older_or_keep_columns_of_its_own():
    short = [*state()[: JOB_COLUMNS.index("metadata")], []]
    assert order_fields(short, "job")["computingSite"] == "LOCAL"
    long = [*state(OUT)[:-1], {"PandaID": 1}, [OUT]]
    assert order_fields(long, "job")["files"][0]["lfn"] == "out.root"


def test_tags_that_are_known_are_set():
    assert order_fields(state(specialHandling="lc,debugMode,ddm:rucio,express"), "job").items() >= {
        ("loopingCheck", False),
        ("debug", True),
    }


@pytest.mark.parametrize(
    ("columns", "files", "words"),
    [
        ({"eventService": 1}, (), "eventService: 1: jobs of the event service"),
        ({"specialHandling": "lc,sc"}, (), "specialHandling: 'sc' is not done here; there are dm,"),
        (
            {},
            (file(lfn="$PANDAID.root", type="output"),),
            r"files\[0\]: lfn: '\$PANDAID.root': names are not filled in",
        ),
    ],
)
def test_what_is_not_done_here_is_refused_by_name(columns, files, words):
    with pytest.raises(ContractError, match=words):
        order_fields(state(*files, **columns), "job")


@pytest.mark.parametrize(
    ("columns", "files", "words"),
    [
        ({"coreCount": "many"}, (), "coreCount: 'many' is not a whole number"),
        ({"transformation": "NULL"}, (), "transformation: missing"),
        ({}, (file(lfn="a", type="pseudo_input"),), "type: 'pseudo_input' is not input, output or log"),
    ],
)
def test_what_is_wrong_is_refused_as_it_is_of_everybody(columns, files, words):
    with pytest.raises(ContractError, match=words):
        order_from_wire(order_fields(state(*files, **columns), "job"))


def test_jobs_may_be_written_in_both_ways_at_once_and_as_text():
    both = [state(OUT), NEW]
    assert read(both, JOBS, "jobs") == read(json.dumps(both), JOBS, "jobs")
    assert read(both, JOBS, "jobs")[1] is NEW


@pytest.mark.parametrize("files", ["x", [7], None])
def test_a_job_without_a_list_of_files_is_refused(files):
    with pytest.raises(ContractError, match=r"jobs\[0\]: the last of its columns is no list of files"):
        read([[*state()[:-1], files]], JOBS, "jobs")
