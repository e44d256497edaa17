"""Options of a JSON object as a dataclass."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from pilot.contract.codec import ContractError
from server.lib.options import read_options


@dataclass(frozen=True)
class Shape:
    patience: float = 1.0
    count: int = 2
    name: str = ""
    truth: bool = False
    attributes: dict[str, str] = field(default_factory=dict)


def test_what_is_said_is_read_and_the_rest_is_as_it_was():
    found = read_options({"patience": "2.5", "attributes": {"A": "b"}}, Shape, "options")
    assert found == Shape(patience=2.5, attributes={"A": "b"})


@pytest.mark.parametrize(
    ("said", "words"),
    [({"patiense": 1}, "patiense"), ({"count": "x"}, r"options\.count"), ({"attributes": 3}, r"options\.attributes")],
)
def test_what_cannot_be_so_is_named(said, words):
    with pytest.raises(ContractError, match=words):
        read_options(said, Shape, "options")
