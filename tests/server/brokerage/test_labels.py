"""Which kinds of jobs a pilot may have: PanDA's sets."""

from __future__ import annotations

import pytest

from server.brokerage.labels import labels_for

MANAGED = {"managed", "test", "prod_test", "install"}
TEST = {"prod_test", "install", "test"}


@pytest.mark.parametrize(
    ("asked", "where", "labels"),
    [
        (None, {}, MANAGED),
        ("managed", {}, MANAGED),
        ("user", {}, {"user", "panda", "install"}),
        ("unified", {}, MANAGED | {"user", "panda"}),
        ("test", {"computing_element": "CE"}, TEST),
        ("test", {}, {"test"}),
        ("rc_test2", {}, {"rc_test2"}),
        ("managed", {"queue_status": "test", "computing_element": "CE"}, TEST),
        (None, {"queue_status": "test", "computing_element": "CE"}, TEST),
        ("ptest", {"queue_status": "test", "computing_element": "CE"}, {"ptest"}),
    ],
)
def test_a_label_stands_for_a_set(asked, where, labels):
    assert labels_for(asked, **where) == labels
