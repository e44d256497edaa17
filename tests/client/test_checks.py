"""What a person decides on a cross-check, from a terminal."""

from __future__ import annotations

import json

import pytest

from client.cli import main
from tests.client import test_cli

server = test_cli.server
CHECK = {
    "run": 278473, "kind": "mdst", "verdict": "accepted", "expected": 270, "found": 269,
    "words": "accepted by Wigner: a broken event [known]", "at": "2026-11-22T12:00:00+00:00",
}  # fmt: skip


@pytest.mark.parametrize(
    ("words", "method", "why"),
    [
        (["task", "accept", "reco", "278473", "mdst", "--why", "known"], "accept_check", "known"),
        (["task", "recheck", "reco", "278473", "mdst"], "check_again", ""),
    ],
)
def test_a_check_is_decided_on_and_shown_as_it_is_now(server, monkeypatch, capsys, words, method, why):
    monkeypatch.setitem(test_cli.ANSWERS, f"production/{method}", CHECK)
    assert main(words) == 0
    assert server == [
        (f"production/{method}", "", {"name": "reco", "run": 278473, "kind": "mdst", "words": why}),
    ]
    told = capsys.readouterr().out
    assert "accepted" in told
    assert "[known]" in told or json.loads(told)["words"].endswith("[known]")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["task", "accept", "reco", "278473", "mdst"], "required: --why"),
        (["task", "recheck", "reco", "278473", "hist"], "'hist' (choose from"),
    ],
)
def test_a_reason_is_wanted_and_a_check_that_there_is(words, why, capsys):
    assert main(words) == 2
    assert why in capsys.readouterr().err
