"""What a queue says about the software: ``params.compass``."""

from __future__ import annotations

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.queue import QueueData
from pilot.errors import JobFailed
from pilot.user.compass import site


def queue(**params):
    return QueueData.from_wire({"nickname": "Q", "params": params})


def test_a_queue_that_says_nothing_has_the_defaults():
    assert site.read(queue()) == site.SiteChoice()


def test_what_a_queue_says_is_read():
    said = {"setup": "sw.sh", "setup_time": 60, "strict": False, "calibration": ["a", "b"], "spread": True}
    found = site.read(queue(compass=said))
    assert (found.setup, found.setup_time, found.strict, found.spread) == ("sw.sh", 60, False, True)
    assert found.calibration == ("a", "b")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ([], "params.compass is [];"),
        ({"calibrations": []}, "params.compass.calibrations is not known; did you mean calibration?"),
        ({"zzz": 1}, "there are setup, setup_time"),
        ({"setup": 3}, "params.compass.setup is 3; a text expected"),
        ({"setup_time": "60"}, "a number of seconds"),
        ({"setup_time": 0}, "a number of seconds"),
        ({"setup_time": True}, "a number of seconds"),
        ({"calibration": "a"}, "a list of texts expected"),
        ({"calibration": [1]}, "a list of texts expected"),
        ({"spread": 1}, "true or false"),
    ],
)
def test_a_slip_names_the_queue_and_the_key(said, words):
    with pytest.raises(JobFailed) as caught:
        site.read(queue(compass=said))
    assert caught.value.code is ErrorCode.BAD_QUEUE_CONFIGURATION
    assert caught.value.detail.startswith("queue Q: ")
    assert words in caught.value.detail
