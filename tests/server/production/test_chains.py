"""Each type of task has the chain that COMPASS gives it, and what the steps ask of the table is in it."""

from __future__ import annotations

import pytest

from pilot.contract.processing import ProcessingType
from server.production.chains import CHAINS, chain_of, every_merge, merges_of
from server.production.files import RESULT_OF, SOURCE_OF
from server.production.queries import STEPS
from server.production.states import MergeKind, TaskType

WHOLE = ("reconstruction", "merge_mdst", "crosscheck", "merge_hist", "merge_dump", "check_dump")
PRODUCTIONS = ("test_production", "mass_production", "technical_production")


@pytest.mark.parametrize(
    ("types", "steps", "work"),
    [
        (PRODUCTIONS[:1], WHOLE, "test-production"),
        (PRODUCTIONS[1:2], WHOLE, "mass-production"),
        (PRODUCTIONS[2:], WHOLE, "technical-production"),
        (("mc_reconstruction",), WHOLE, "mcreco"),
        (("ddd_filtering",), ("filtering", "merge_dump", "check_dump"), "ddd"),
        (("mc_generation",), ("generation",), "mcgen"),
    ],
)
def test_each_type_has_its_steps_in_order(types, steps, work):
    for word in types:
        assert chain_of(word).steps(merge_dumps=True) == steps
        assert chain_of(word).work == ProcessingType(work)


def test_a_task_may_go_without_merged_dumps_but_filtering_makes_nothing_else():
    assert chain_of("mass_production").steps(merge_dumps=False) == WHOLE[:-2]
    assert chain_of("ddd_filtering").steps(merge_dumps=False) == ("filtering", "merge_dump", "check_dump")


def test_every_type_has_a_chain_and_every_step_a_label():
    assert set(CHAINS) == set(TaskType)
    assert {step for chain in CHAINS.values() for step in chain.steps(merge_dumps=True)} == set(STEPS)


def test_what_a_chain_merges_its_jobs_write_and_what_it_waits_for_it_checks():
    for chain in CHAINS.values():
        assert {SOURCE_OF[merge.kind] for merge in chain.merges} <= set(chain.outputs)
        assert {merge.after for merge in chain.merges} - {None} <= {merge.check for merge in chain.merges}
        assert not {RESULT_OF[merge.kind] for merge in chain.merges} & set(chain.outputs)


def test_dumps_are_merged_in_two_ways():
    ways = {merge.after: sorted(types) for merge, types in merges_of(MergeKind.DUMP)}
    assert ways == {"mdst": sorted([*PRODUCTIONS, "mc_reconstruction"]), None: ["ddd_filtering"]}


def test_every_merge_is_told_once_with_all_its_types():
    told = [(merge, word) for merge, types in every_merge() for word in types]
    assert sorted(map(str, told)) == sorted(
        str((merge, kind.value)) for kind, chain in CHAINS.items() for merge in chain.merges
    )


def test_data_comes_from_the_detector_and_reconstructions_from_their_parents():
    assert {kind.value for kind, chain in CHAINS.items() if chain.raw} == {*PRODUCTIONS, "ddd_filtering"}
    assert [kind.value for kind, chain in CHAINS.items() if chain.from_parent] == ["mc_reconstruction"]
    assert [kind.value for kind, chain in CHAINS.items() if chain.exact] == ["mc_generation"]


def test_a_word_that_is_no_type_is_refused():
    with pytest.raises(ValueError, match="not a valid TaskType"):
        chain_of("filtering")
