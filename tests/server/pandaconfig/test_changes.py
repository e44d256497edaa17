"""Rows are written by one door: checked, with a line of history each, and undone; two people are told of each other."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from server.pandaconfig import logic, queries
from server.pandaconfig.logic import Author, ChangedMeanwhile
from server.pandaconfig.models import Change, Schedconfig, StatusHold
from server.pandaconfig.readable import Refused
from server.pandaconfig.tables import CLOUDCONFIG, SCHEDCONFIG, SHARES, SITEACCESS

ADA = Author("ada", Change.Way.FORM, "because")


def made(name="Q", **values):
    return logic.write(SCHEDCONFIG, name, {"nickname": name, **values}, ADA)


def test_a_change_keeps_both_values_of_what_changed_and_who_and_why(db):
    made(status="online", data={"a": 1})
    change = logic.write(SCHEDCONFIG, "Q", {"maxrss": 2000, "data": {"a": 2}, "status": "online"}, ADA)
    assert change.before == {"maxrss": 0, "data": {"a": 1}}
    assert change.after == {"maxrss": 2000, "data": {"a": 2}}
    assert (change.person, change.way, change.reason, change.key, change.label) == ("ada", "form", "because", "Q", "Q")
    row = Schedconfig.objects.get()
    assert (row.status, row.maxrss, row.json.data) == ("online", 2000, {"a": 2})


def test_what_changes_nothing_leaves_no_line(db):
    made(maxrss=2000)
    assert logic.write(SCHEDCONFIG, "Q", {"maxrss": 2000}, ADA) is None
    logic.define_queue({"nickname": "Q", "maxrss": 2000})
    assert Change.objects.count() == 1


@pytest.mark.parametrize(
    ("values", "column", "words"),
    [
        ({"status": "onlin"}, "status", "not a valid choice"),
        ({"maxrss": 10**7}, "maxrss", "less than or equal to 999999"),
        ({"maxrss": -1}, "maxrss", "greater than or equal to 0"),
        ({"maxrss": "many"}, "maxrss", "'many'"),
        ({"comment": "x" * 501}, "comment", "at most 500"),
        ({"comment": "a\x1b[2J"}, "comment", "control character"),
        ({"email": "nobody"}, "email", "valid email"),
        ({"cloud": "XX"}, "cloud", "is no cloud"),
        ({"data": {"acopytools": {"pr": "cp"}}}, "data", "acopytools.pr"),
        ({"data": [1]}, "data", "JSON object"),
        ({"no_such": 1}, "no_such", "no such column"),
        ({"nickname": ""}, "nickname", "blank"),
    ],
)
def test_what_may_not_be_is_refused_by_its_column_and_nothing_is_written(db, values, column, words):
    with pytest.raises(Refused, match=words) as refused:
        logic.write(SCHEDCONFIG, None, {"nickname": "Q", **values}, ADA)
    assert list(refused.value.errors) == [column]
    assert (Schedconfig.objects.count(), Change.objects.count()) == (0, 0)


def test_a_column_that_an_older_database_filled_oddly_does_not_keep_others_from_being_mended(db):
    made()
    Schedconfig.objects.update(status="weird", cloud="GONE")
    logic.write(SCHEDCONFIG, "Q", {"maxrss": 2000}, ADA)
    assert Schedconfig.objects.get().status == "weird"
    with pytest.raises(Refused):
        logic.write(SCHEDCONFIG, "Q", {"status": "odd"}, ADA)


def test_who_read_a_row_before_somebody_changed_it_is_told_who_did(db):
    made(maxrss=2000)
    seen = logic.digest(SCHEDCONFIG.read("Q"))
    logic.write(SCHEDCONFIG, "Q", {"maxrss": 3000}, Author("bob", Change.Way.FORM, "more memory"))
    with pytest.raises(ChangedMeanwhile, match=r"bob has changed this row at .*\(more memory\)") as told:
        logic.write(SCHEDCONFIG, "Q", {"maxrss": 4000}, ADA, seen=seen)
    assert told.value.now["maxrss"] == 3000
    assert Schedconfig.objects.get().maxrss == 3000
    logic.write(SCHEDCONFIG, "Q", {"maxrss": 4000}, ADA, seen=logic.digest(SCHEDCONFIG.read("Q")))


def test_the_name_of_a_row_stays(db):
    made()
    with pytest.raises(Refused, match="the name of a queue stays"):
        logic.write(SCHEDCONFIG, "Q", {"nickname": "R"}, ADA)


def test_two_rows_are_not_known_by_the_same(db):
    made()
    for dn in ("/CN=A", "/CN=B"):
        logic.write(SITEACCESS, None, {"dn": dn, "pandasite": "Q"}, ADA)
    number = SITEACCESS.find({"dn": "/CN=B", "pandasite": "Q"})
    with pytest.raises(Refused, match="there is another site access"):
        logic.write(SITEACCESS, number, {"dn": "/CN=A"}, ADA)
    assert logic.write(SITEACCESS, None, {"dn": "/CN=A", "pandasite": "Q", "rights": "run"}, ADA).before == {
        "rights": ""
    }


def test_a_share_below_itself_is_refused(db):
    logic.write(SHARES, "a", {"name": "a", "value": 1}, ADA)
    with pytest.raises(Refused, match="is a part of this share itself"):
        logic.write(SHARES, "a", {"parent": "a"}, ADA)


def test_a_change_is_undone_and_that_is_a_change_too(db):
    made(maxrss=2000, data={"a": 1})
    change = logic.write(SCHEDCONFIG, "Q", {"maxrss": 3000, "data": {}}, ADA)
    logic.write(SCHEDCONFIG, "Q", {"corecount": 8}, ADA)  # another column does not stand in its way
    undone = logic.undo(change.pk, Author("bob", reason="no"))
    assert (undone.undoes, undone.way, undone.person) == (change, "undo", "bob")
    assert SCHEDCONFIG.read("Q")["data"] == {"a": 1}
    assert Schedconfig.objects.values_list("maxrss", "corecount").get() == (2000, 8)


def test_what_was_changed_again_is_not_undone_over_it(db):
    made(maxrss=2000)
    change = logic.write(SCHEDCONFIG, "Q", {"maxrss": 3000}, ADA)
    logic.write(SCHEDCONFIG, "Q", {"maxrss": 4000}, ADA)
    with pytest.raises(Refused, match="maxrss: it says 4000 by now, not 3000"):
        logic.undo(change.pk, ADA)


def test_a_row_that_was_made_goes_and_one_that_went_comes_back_whole(db):
    change = made(status="test", maxrss=2000, data={"a": 1})
    whole = SCHEDCONFIG.read("Q")
    assert logic.undo(change.pk, ADA).after is None
    assert queries.queue_names() == []
    with pytest.raises(Refused, match="is gone; there is nothing to undo"):
        logic.undo(change.pk, ADA)
    gone = Change.objects.first()
    logic.undo(gone.pk, ADA)
    assert SCHEDCONFIG.read("Q") == whole


def test_a_row_that_was_changed_since_it_was_made_is_not_undone_away(db):
    change = made()
    logic.write(SCHEDCONFIG, "Q", {"maxrss": 3000}, ADA)
    with pytest.raises(Refused, match="changed since it was made"):
        logic.undo(change.pk, ADA)


def test_a_deleted_row_with_a_number_comes_back(db):
    made()
    logic.write(SITEACCESS, None, {"dn": "/CN=A", "pandasite": "Q"}, ADA)
    number = SITEACCESS.find({"dn": "/CN=A", "pandasite": "Q"})
    gone = logic.remove(SITEACCESS, number, ADA)
    assert logic.remove(SITEACCESS, number, ADA) is None
    logic.undo(gone.pk, ADA)
    assert SITEACCESS.find({"dn": "/CN=A", "pandasite": "Q"}) is not None


def test_a_deleted_row_does_not_come_back_over_one_that_was_added_for_the_same(db):
    made()
    added = logic.write(SITEACCESS, None, {"dn": "/CN=A", "pandasite": "Q", "poffset": 5}, ADA)
    gone = logic.remove(SITEACCESS, SITEACCESS.key_from(added.key), ADA)
    again = logic.write(SITEACCESS, None, {"dn": "/CN=A", "pandasite": "Q", "poffset": 7}, ADA)
    with pytest.raises(Refused, match="there again"):
        logic.undo(gone.pk, ADA)
    assert SITEACCESS.read(SITEACCESS.key_from(again.key))["poffset"] == 7


def test_undoing_an_undo_gives_the_change_again(db):
    made(maxrss=2000)
    change = logic.write(SCHEDCONFIG, "Q", {"maxrss": 3000}, ADA)
    undone = logic.undo(change.pk, ADA)
    logic.undo(undone.pk, ADA)
    assert Schedconfig.objects.get().maxrss == 3000
    with pytest.raises(Refused, match="by now"):
        logic.undo(undone.pk, ADA)


def test_of_two_who_add_the_same_row_the_second_does_not_take_the_firsts(db):
    made(maxrss=2000)
    late = {**SCHEDCONFIG.fresh(), "nickname": "Q", "status": "test"}
    with pytest.raises(IntegrityError), transaction.atomic():
        SCHEDCONFIG.store(None, late)
    assert Schedconfig.objects.get().maxrss == 2000


def test_there_is_nothing_to_undo_of_a_change_that_is_none(db):
    with pytest.raises(Refused, match="no change 7"):
        logic.undo(7, ADA)


def test_statuses_are_set_with_a_reason_and_get_back_by_themselves(db):
    made("A", status="online")
    made("B", status="test")
    now = timezone.now()
    left = logic.set_status(["A", "B", "C"], "offline", ADA, until=now + timedelta(hours=1))
    assert left == {"C": "queue 'C' is not known here"}
    assert queries.statuses() == {"A": "offline", "B": "offline"}
    assert logic.end_holds(now + timedelta(minutes=59)) == 0
    assert logic.end_holds(now + timedelta(hours=2)) == 2
    assert queries.statuses() == {"A": "online", "B": "test"}
    last = Change.objects.first()
    assert (last.way, last.person) == ("expiry", "")
    assert "because" in last.reason
    assert logic.end_holds(now + timedelta(hours=3)) == 0


def test_a_status_for_a_time_that_is_prolonged_gives_back_what_was_before_all_of_them(db):
    made(status="online")
    now = timezone.now()
    logic.set_status(["Q"], "brokeroff", ADA, until=now + timedelta(hours=1))
    logic.set_status(["Q"], "offline", ADA, until=now + timedelta(hours=2))
    assert logic.end_holds(now + timedelta(hours=1, minutes=1)) == 0
    assert logic.end_holds(now + timedelta(hours=3)) == 1
    assert queries.queue_status("Q") == "online"


def test_a_status_that_was_changed_by_hand_and_set_again_by_hand_stays(db):
    made(status="online")
    logic.set_status(["Q"], "offline", ADA, until=timezone.now() + timedelta(hours=1))
    for status in ("online", "offline"):
        logic.write(SCHEDCONFIG, "Q", {"status": status}, ADA)
    assert StatusHold.objects.count() == 0
    assert logic.end_holds(timezone.now() + timedelta(hours=2)) == 0
    assert queries.queue_status("Q") == "offline"


def test_a_status_for_a_time_ends_with_its_queue(db):
    made(status="online")
    logic.set_status(["Q"], "offline", ADA, until=timezone.now() + timedelta(hours=1))
    logic.remove(SCHEDCONFIG, "Q", ADA)
    made(status="offline")
    assert logic.end_holds(timezone.now() + timedelta(hours=2)) == 0


def test_a_queue_that_may_not_be_written_keeps_no_other_from_its_status(db, caplog):
    for name in ("Q", "R"):
        made(name, status="online")
    logic.set_status(["Q", "R"], "offline", ADA, until=timezone.now() + timedelta(hours=1))
    Schedconfig.objects.filter(pk="Q").update(minrss=9, maxrss=3)  # past this server
    assert logic.end_holds(timezone.now() + timedelta(hours=2)) == 1
    assert queries.queue_status("R") == "online"
    assert "queue Q does not get back the status online: minrss" in caplog.text
    Schedconfig.objects.filter(pk="Q").update(minrss=0)
    assert logic.end_holds(timezone.now() + timedelta(hours=2)) == 1
    assert queries.queue_status("Q") == "online"


def test_a_status_that_somebody_set_for_good_meanwhile_stays(db):
    made(status="online")
    now = timezone.now()
    logic.set_status(["Q"], "offline", ADA, until=now + timedelta(hours=1))
    logic.write(SCHEDCONFIG, "Q", {"status": "test"}, ADA)
    assert logic.end_holds(now + timedelta(hours=2)) == 0
    assert (queries.queue_status("Q"), StatusHold.objects.count()) == ("test", 0)
    logic.set_status(["Q"], "offline", ADA, until=now + timedelta(hours=1))
    logic.set_status(["Q"], "offline", ADA)
    assert StatusHold.objects.count() == 0


@pytest.mark.parametrize(
    ("status", "reason", "until", "words"),
    [
        ("onlin", "x", None, "known are online"),
        ("online", " ", None, "say why"),
        ("online", "x", timedelta(seconds=-1), "has passed"),
    ],
)
def test_a_status_that_cannot_be_meant_is_refused(db, status, reason, until, words):
    until = None if until is None else timezone.now() + until
    with pytest.raises(Refused, match=words):
        logic.set_status(["Q"], status, Author("ada", reason=reason), until=until)


def test_a_cloud_is_written_with_its_own_times(db):
    logic.write(CLOUDCONFIG, None, {"name": "CERN"}, ADA)
    assert CLOUDCONFIG.model.objects.get().modtime is not None
