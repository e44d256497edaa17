"""The numbers that steer the data service, for all kinds of transfers and for one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured

from server.dataservice.limits import Limits, limits


def test_without_settings_all_have_their_defaults(settings):
    assert limits() == limits("archive") == Limits()


def test_a_kind_has_numbers_of_its_own(settings):
    settings.DATASERVICE = {"tries": 3, "archive": {"tries": 9, "empty_for": 60}}
    assert (limits().tries, limits("prestage").tries) == (3, 3)
    assert (limits("archive").tries, limits("archive").empty_for) == (9, 60)


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"trys": 3}, r"DATASERVICE\['trys'\] is not a limit of the data service; did you mean tries"),
        ({"archive": {"empty": 3}}, r"DATASERVICE\['archive'\]\['empty'\] is not a limit.*did you mean empty_for"),
        ({"tries": 0}, "tries'] = 0: give a whole number above 0"),
        ({"tries": True}, "give a whole number"),
        ({"archive": 3}, "give a dictionary of limits"),
        ({"xyzzy": 3}, "known are tries, delay"),
    ],
)
def test_what_is_wrong_is_named_also_for_another_kind(settings, chosen, words):
    settings.DATASERVICE = chosen
    with pytest.raises(ImproperlyConfigured, match=words.replace("'] =", r"'\] =")):
        limits("prestage")


def test_pauses_double_up_to_a_day():
    pauses = [Limits(delay=300).backoff(tries) for tries in (0, 1, 2, 3, 9, 50)]
    assert pauses == [timedelta(seconds=seconds) for seconds in (300, 300, 600, 1200, 76800, 86400)]
