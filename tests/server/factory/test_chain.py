from __future__ import annotations

from pathlib import Path

import pytest

from server.factory.chain import DEFAULT, GUARDS, RULES, BadChain, decide, parameters_of, read_chain
from server.factory.facts import Facts, Limits


def test_an_empty_chain_is_the_usual_one():
    assert tuple(link.name for link in read_chain([])) == DEFAULT


def test_rules_stand_in_their_order_with_their_parameters():
    chain = read_chain(["ready", {"rule": "scale", "factor": 2}, {"rule": "max_per_cycle", "most": 9}])
    assert [(link.name, dict(link.parameters)) for link in chain] == [
        ("ready", {}),
        ("scale", {"factor": 2.0}),
        ("max_per_cycle", {"most": 9}),
    ]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("ready", "give a list of rules"),
        ({"rule": "ready"}, "give a list of rules"),
        ([7], "7 is no rule"),
        ([{"factor": 2}], "is no rule: give its name"),
        (["redy"], "there is no rule redy; did you mean ready?"),
        (["zzzzz"], "there is no rule zzzzz; there are allocation, black_hole"),
        ([{"rule": "scale"}], 'scale.factor is missing: give {"rule": "scale", "factor": ...}'),
        ([{"rule": "scale", "factr": 2}], "factr: no such field in scale; did you mean factor?"),
        ([{"rule": "scale", "factor": "much"}], "scale.factor: 'much' is not a number"),
        ([{"rule": "fixed", "pilots": 1.5}], "fixed.pilots: 1.5 is not a whole number"),
        ([{"rule": "fixed", "pilots": -1}], "fixed.pilots: -1 is below zero"),
        ([{"rule": "fixed", "pilots": 1000001}], "fixed.pilots: 1000001 is too large; give at most 1000000"),
        ([{"rule": "scale", "factor": 1e308}], "scale.factor: 1e+308 is too large"),
        ([{"rule": "null", "pilots": 1}], "pilots: no such field in null"),
    ],
)
def test_a_slip_is_named_with_its_remedy(said, words):
    with pytest.raises(BadChain) as caught:
        read_chain(said)
    assert words in str(caught.value)


def test_rules_that_multiply_each_other_stay_within_what_a_table_holds():
    facts, limits = Facts("online", 10, 0, 0), Limits(2, 10, 10, 3, 20.0, 30.0)
    steps = decide(facts, limits, read_chain(["ready", *[{"rule": "scale", "factor": 1e6}] * 60]))
    assert (steps[-2].number, steps[-1].number) == (1_000_000, 50)


@pytest.mark.parametrize("name", sorted(RULES))
def test_every_rule_says_what_it_does_and_takes_numbers_only(name):
    assert RULES[name].__doc__
    assert {one.annotation for one in parameters_of(RULES[name]).values()} <= {"int", "float"}


def test_every_rule_and_parameter_is_explained_in_the_documentation():
    text = (Path(__file__).parents[3] / "doc/explanation/factory.md").read_text()
    for name in (*RULES, *(guard.__name__ for guard in GUARDS)):
        assert f"`{name}`" in text
    for name in RULES:
        assert all(f"`{one}`" in text for one in parameters_of(RULES[name]))
