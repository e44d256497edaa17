"""A rule that could not do what it says is refused, with the field and the remedy."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from server.production.rules.models import ProductionRule

GOOD = {"name": "one", "action": "retry", "payload_error": 1246}


@pytest.mark.parametrize(
    ("said", "field", "words"),
    [
        ({"payload_error": 0}, "payload_error", "leave it empty"),
        ({"pilot_error": 0}, "pilot_error", "leave it empty"),
        ({"payload_error": None}, "payload_error", "a rule for every failure"),
        ({"words": "*"}, "words", "leave it empty"),
        ({"words": " ** "}, "words", "leave it empty"),
        ({"words": "line .* of"}, "words", "write * for any text"),
        ({"words": r"run \d+"}, "words", "write * for any text"),
        ({"words": "^fatal"}, "words", "write * for any text"),
        ({"words": "(a+)+$"}, "words", "write * for any text"),
        ({"words": "(?i)fatal"}, "words", "write * for any text"),
        ({"words": "[a-z]+"}, "words", "write * for any text"),
        ({"words": "x" * 201}, "words", "200"),
        ({"kind": "mdst", "about": "chunks"}, "kind", "leave it empty"),
        ({"kind": "raw", "about": "merges"}, "kind", "known are mdst"),
        ({"action": "staging", "about": "both"}, "action", "chunks"),
        ({"action": "later"}, "delay", "how many seconds"),
        ({"delay": 86401}, "delay", "at most 86400"),
        ({"delay": -1}, "delay", "0"),
        ({"factor": 0.5}, "factor", "is not from 1 to 10"),
        ({"factor": float("nan")}, "factor", "is not from 1 to 10"),
        ({"factor": float("inf")}, "factor", "is not from 1 to 10"),
        ({"action": "explode"}, "action", "explode"),
        ({"task_type": "mas_production"}, "task_type", "did you mean mass_production?"),
        ({"site": "NOWHERE"}, "site", "is no site and no queue"),
    ],
)
def test_what_cannot_be_is_refused(queue, said, field, words):
    row = ProductionRule(**{**GOOD, "about": "chunks", **said})
    with pytest.raises(ValidationError) as refused:
        row.full_clean()
    assert words in str(refused.value.message_dict[field])


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"payload_error": None, "words": "TFile::Open(*) [1] failed."},
        {"payload_error": None, "site": "LOCAL"},
        {"payload_error": None, "task_type": "mass_production"},
        {"about": "merges", "kind": "dump"},
        {"action": "later", "delay": 3600},
        {"action": "staging"},
        {"factor": 1, "delay": 0},
    ],
)
def test_what_can_be_is_taken(queue, said):
    ProductionRule(**{**GOOD, **said}).full_clean()


def test_a_name_stands_once(queue):
    ProductionRule.objects.create(**GOOD)
    with pytest.raises(ValidationError, match="already exists"):
        ProductionRule(**GOOD).full_clean()
