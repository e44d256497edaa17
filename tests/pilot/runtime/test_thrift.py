from __future__ import annotations

import pytest

from pilot.runtime.thrift import Thrift


def test_a_dear_reading_waits_until_its_cost_is_a_small_share_of_the_time():
    clock, spent = [100.0], [0.0]
    thrift = Thrift(0.01, lambda: clock[0], lambda: spent[0])
    assert thrift.affordable()
    with thrift.spending():
        spent[0] += 0.3
    for moment, affordable in ((100.0, False), (129.9, False), (130.0, True)):
        clock[0] = moment
        assert thrift.affordable() is affordable


def test_what_matters_may_cost_more():
    clock, spent = [0.0], [0.0]
    thrift = Thrift(0.01, lambda: clock[0], lambda: spent[0])
    with thrift.spending():
        spent[0] += 0.3
    clock[0] = 10.0
    assert thrift.affordable(3.0)
    assert not thrift.affordable(2.0)


def test_a_reading_that_breaks_has_cost_something_too():
    clock, spent = [0.0], [0.0]
    thrift = Thrift(0.01, lambda: clock[0], lambda: spent[0])

    def read():
        with thrift.spending():
            spent[0] += 1.0
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        read()
    assert not thrift.affordable()
