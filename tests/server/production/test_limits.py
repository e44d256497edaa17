"""The limits have COMPASS's numbers, and a slip in the settings is named."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from server.production.limits import Limits, limits


def test_the_defaults_are_the_experiments(settings):
    settings.PRODUCTION = {}
    found = limits()
    assert (found.merge_target, found.merge_refusal, found.dump_target) == (4 * 10**9, 6 * 10**9, 2_150_000_000)
    assert (found.jobs_per_task, found.queued_per_queue, found.max_attempts, found.merge_files) == (50, 10_000, 5, 1000)
    assert found.merging_priority > found.processing_priority


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"merge_taget": 1}, "did you mean merge_target"),
        ({"zzz": 1}, "known are merge_target"),
        ({"merge_target": 0}, "whole number"),
        ({"merge_target": "4 GB"}, "'4 GB'"),
        ({"merge_target": True}, "whole number"),
    ],
)
def test_a_wrong_limit_is_refused_in_words(settings, chosen, words):
    settings.PRODUCTION = chosen
    with pytest.raises(ImproperlyConfigured, match=words):
        limits()


@pytest.mark.parametrize("limit", fields(Limits), ids=lambda limit: limit.name)
def test_every_limit_is_documented_with_its_default(limit):
    page = (Path(__file__).parents[3] / "doc/explanation/production.md").read_text()
    assert f"| `{limit.name}` | {limit.default} |" in page
