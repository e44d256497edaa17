"""PanDA's words for a queue and a job, read for brokerage."""

from __future__ import annotations

import pytest

from pilot.contract.codec import ContractError
from pilot.contract.job import PANDA_MB, FileSpec, JobSpec, Role
from server.brokerage.facts import needs_of, queue_facts
from server.brokerage.snapshot import Input


def test_a_queue_is_read_from_its_description():
    found = queue_facts(
        {
            "nickname": "Q", "status": "online", "corecount": 8, "maxrss": 16000, "minrss": 1000, "maxwdir": 50000,
            "maxtime": 7200, "mintime": 60, "maxinputsize": 10, "cmtconfig": "x86_64-(el8|el9), aarch64",
            "releases": "v1|v2", "container_type": "apptainer:pilot", "countrygroup": "de,it",
            "allowothercountry": "False", "allowedgroups": ["exotic"], "pledgedcpu": -1, "transferringlimit": "7",
            "astorages": {"pr": ["IN"], "pw": ["OUT"], "pl": ["LOGS"]},
        }
    )  # fmt: skip
    assert (found.name, found.cores, found.memory, found.min_memory) == ("Q", 8, 16000 * PANDA_MB, 1000 * PANDA_MB)
    assert (found.max_walltime, found.min_walltime, found.max_input) == (7200, 60, 10 * PANDA_MB)
    assert found.platforms == ("x86_64-(el8|el9)", "aarch64")
    assert (found.releases, found.countries, found.other_countries) == (("v1", "v2"), ("de", "it"), False)
    assert (found.groups, found.pledged, found.transferring_limit, found.containers) == (("exotic",), -1, 7, True)
    assert (found.storages, found.output_storage, found.log_storage) == (("IN",), "OUT", "LOGS")


def test_tags_of_the_catchall_say_what_a_queue_takes_and_whether_its_pilots_are_waited_for():
    found = queue_facts({"nickname": "Q", "catchall": "gpu,allowed_processing=simul|reco excluded_processing=merge"})
    assert (found.processing, found.without_pilots) == (("simul", "reco", "!merge"), False)
    assert queue_facts({"nickname": "Q", "catchall": "gpu, allow_no_pilot"}).without_pilots


def test_a_queue_that_says_little_limits_nothing():
    found = queue_facts({"nickname": "Q"})
    assert (found.memory, found.disk, found.max_walltime, found.platforms, found.groups) == (0, 0, 0, (), ())
    assert found.other_countries


def test_a_value_of_the_wrong_kind_is_named():
    with pytest.raises(ContractError, match="mintime"):
        queue_facts({"nickname": "Q", "mintime": "long"})


def test_a_job_asks_for_what_its_order_says():
    spec = JobSpec(
        id=0, attempt=0, transformation="true", cores=4, memory=5, disk=6, max_walltime=7, user="ada",
        working_group="exotic", inputs=(FileSpec("f", Role.INPUT, dataset="d", size=3, endpoint="X"),),
    )  # fmt: skip
    needs = needs_of(spec)
    assert (needs.cores, needs.memory, needs.disk, needs.walltime) == (4, 5, 6, 7)
    assert (needs.user, needs.group, needs.inputs, needs.input_size) == ("ada", "exotic", (Input("d", "f", 3, "X"),), 3)
