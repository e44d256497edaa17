from __future__ import annotations

from dataclasses import FrozenInstanceError, asdict, fields, is_dataclass, replace

import pytest

from pilot.settings.declaring import Section, choice, key


class Kettle(Section):
    """Boiling water."""

    water: float = key(1.0, "l", low=0.1, high=2, help="How much there is.")
    lid: str = choice("closed", "open", help="Where it is.")


def test_a_section_holds_what_it_was_given_and_else_what_was_declared():
    assert asdict(Kettle(water=0.5)) == {"water": 0.5, "lid": "closed"}
    assert asdict(Kettle(0.7, lid="open")) == {"water": 0.7, "lid": "open"}


def test_a_section_is_a_dataclass_to_whoever_looks():
    assert is_dataclass(Kettle)
    assert [spec.name for spec in fields(Kettle)] == ["water", "lid"]
    assert asdict(replace(Kettle(water=0.5), lid="open")) == {"water": 0.5, "lid": "open"}


def test_a_setting_keeps_its_unit_limits_and_sentence():
    water, lid = fields(Kettle)
    assert water.metadata == {"unit": "l", "help": "How much there is.", "low": 0.1, "high": 2}
    assert lid.metadata["words"] == ("closed", "open")


def test_nothing_of_a_section_can_be_changed():
    kettle = Kettle()
    with pytest.raises(FrozenInstanceError):
        kettle.water = 2.0
    with pytest.raises(FrozenInstanceError):
        del kettle.water
    assert kettle.water == 1.0


def test_a_section_takes_no_key_that_it_does_not_have():
    with pytest.raises(TypeError, match="Kettle has no tea"):
        Kettle(tea="green")
