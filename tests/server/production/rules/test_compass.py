"""What comes with the product is what COMPASS's production system does, in the table as in the documentation."""

from __future__ import annotations

import pytest

from pilot.contract.payload_codes import MEANINGS, PayloadCode
from server.production.rules.actions import Action
from server.production.rules.compass import COMPASS, does_with
from server.production.rules.known import read_rules
from server.production.rules.match import Failure, decide
from server.production.rules.models import ProductionRule

CHUNKS = {1235, 1236, 1237, 1243, 1245, 1247, 1251, 1253}
MERGES = {1235, 1237, 1242}


@pytest.fixture
def rules(product_rules):
    return read_rules()


@pytest.mark.parametrize("code", MEANINGS)
def test_the_experiments_codes_decide_what_becomes_of_chunks_and_of_merges(rules, code):
    chunk = decide(rules, Failure(payload_error=code.value, raw=True))
    merge = decide(rules, Failure(payload_error=code.value, merge="mdst"))
    tape = Action.STAGING if code == 1255 else Action.RETRY
    assert chunk.action is (Action.MANUAL_CHECK if code in CHUNKS else tape)
    assert merge.action is (Action.MANUAL_CHECK if code in MERGES else Action.RETRY)


def test_where_no_raw_file_is_read_a_file_that_cannot_be_read_from_tape_is_tried_again(rules):
    assert decide(rules, Failure(payload_error=1255)).action is Action.RETRY


def test_every_rule_is_one_that_a_person_could_write(product_rules):
    assert ProductionRule.objects.count() == len(COMPASS)
    for row in ProductionRule.objects.all():
        row.full_clean()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (PayloadCode.FATAL_ERROR, "a person looks"),
        (PayloadCode.CORE_DUMP, "a person looks; in a merge: tried again"),
        (PayloadCode.EVENTS_SKIPPED, "tried again; in a merge: a person looks"),
        (PayloadCode.TAPE_FILE_UNREADABLE, "its input is staged again; in a merge: tried again"),
        (PayloadCode.KILLED, "tried again"),
    ],
)
def test_the_documentation_tells_what_they_do(code, words):
    assert does_with(code) == words
