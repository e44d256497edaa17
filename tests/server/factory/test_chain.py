from __future__ import annotations

from pathlib import Path

import pytest

from server.factory.chain import DEFAULT, GUARDS, RULES, BadChain, parameters_of, read_chain


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
        ([{"rule": "null", "pilots": 1}], "pilots: no such field in null"),
    ],
)
def test_a_slip_is_named_with_its_remedy(said, words):
    with pytest.raises(BadChain) as caught:
        read_chain(said)
    assert words in str(caught.value)


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
