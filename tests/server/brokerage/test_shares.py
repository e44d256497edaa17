"""Fair shares: the tree, the leaf of a job, and who comes next."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.brokerage.shares import LONGEST, Running, Share, in_order, leaf_of, share_of, targets, with_user

TREE = (
    Share("Production", 3),
    Share("MC", 1, "Production", label="managed", processing_type="mc.*"),
    Share("Data", 2, "Production", label="managed"),
    Share("Analysis", 1, label="user|panda", per_user=True),
)


def of(label="managed", group="", processing_type="", user="ada", asked="", shares=TREE):
    return share_of(shares, label=label, group=group, processing_type=processing_type, user=user, asked=asked)


def test_a_leaf_has_its_part_of_its_parents_part():
    assert targets(TREE) == {"MC": 0.25, "Data": 0.5, "Analysis": 0.25}


@pytest.mark.parametrize(
    "tree",
    [
        (Share("A", 1, "NOWHERE"), Share("B", 1)),
        (Share("A", 1), Share("B", 1)),
    ],
)
def test_a_parent_that_is_not_there_is_none(tree):
    assert targets(tree) == {"A": 0.5, "B": 0.5}


def test_shares_that_are_parts_of_each_other_stand_alone():
    assert targets((Share("A", 1, "B"), Share("B", 1, "A"), Share("C", 2))) == {"A": 0.25, "B": 0.25, "C": 0.5}


def test_parts_of_nothing_are_nothing():
    assert targets((Share("A", 0), Share("B", 0))) == {"A": 0.0, "B": 0.0}


@pytest.mark.parametrize(
    ("job", "share"),
    [
        ({"processing_type": "mc-gen"}, "MC"),
        ({"processing_type": "reco"}, "Data"),
        ({"label": "user"}, "Analysis/ada"),
        ({"label": "user", "user": ""}, "Analysis"),
        ({"label": "install"}, ""),
        ({"processing_type": "reco", "asked": "MC"}, "MC"),
        ({"asked": "Else"}, "Else"),
        ({"label": "user", "shares": ()}, "/ada"),
        ({"label": "managed", "shares": ()}, ""),
    ],
)
def test_a_job_belongs_to_the_leaf_it_asks_for_or_the_first_that_takes_it(job, share):
    assert of(**job) == share


def test_a_group_has_a_leaf_of_its_own():
    tree = (Share("Exotic", 1, group="exotic"), Share("Rest", 1))
    assert (of(group="exotic", shares=tree), of(shares=tree)) == ("Exotic", "Rest")


@settings(deadline=None)
@given(
    st.text(min_size=1, max_size=16).filter(lambda name: "/" not in name), st.text(max_size=60), st.text(max_size=60)
)
def test_users_are_told_apart_however_long_their_names_are(leaf, one, other):
    first, second = with_user(leaf, one), with_user(leaf, other)
    assert len(first) <= LONGEST
    assert leaf_of(first) == leaf
    assert (first == second) == (one == other)


def test_who_has_least_of_what_is_his_comes_first():
    running = {"MC": 30, "Data": 40, "Analysis/ada": 10, "Analysis/bob": 5}
    wanted = targets(TREE)
    waiting = ["MC", "Data", "Analysis/ada", "Analysis/bob", "Analysis/eve", "Else"]
    assert in_order(waiting, Running(running), wanted) == [
        "Analysis/eve",
        "Analysis/bob",
        "Analysis/ada",
        "Data",
        "MC",
        "Else",
    ]


def test_tests_come_first():
    assert in_order(["MC", "Test"], Running({"Test": 99}), targets(TREE))[0] == "Test"


def test_without_a_tree_users_come_in_turn():
    assert in_order(["/ada", "/bob", ""], Running({"/ada": 3, "/bob": 2, "": 1}), {}) == ["", "/bob", "/ada"]


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from(["A", "B", "C"]), st.integers(1, 10), min_size=1))
def test_giving_always_to_the_first_reaches_the_targets(values):
    tree = [Share(name, value) for name, value in values.items()]
    wanted, running = targets(tree), Running()
    for _ in range(600):
        running.give(in_order(values, running, wanted)[0], 1)
    for name, part in wanted.items():
        assert abs(running.of(name) / 600 - part) < 0.01


@settings(deadline=None)
@given(
    st.lists(
        st.builds(Share, st.sampled_from("ABCDE"), st.integers(0, 5), st.sampled_from(["", *"ABCDE"])),
        unique_by=lambda share: share.name,
    )
)
def test_targets_of_any_tree_are_parts_of_one(tree):
    found = targets(tree)
    assert all(0 <= part <= 1 for part in found.values())
    assert sum(found.values()) <= 1 + 1e-9
