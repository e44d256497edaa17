from __future__ import annotations

import json

import pytest

from benchmarks.command import Number, run
from benchmarks.figures import Figure

NUMBERS = (Number("rounds", 3, "rounds"), Number("watch", 1.5, "seconds"))


def measured(options):
    return [Figure("rounds", "s", (float(options.rounds),)), Figure("watch", "s", (options.watch,))]


def test_figures_are_printed_with_the_machine_they_are_of_and_written_when_asked_for(tmp_path, capsys):
    path = tmp_path / "figures.json"
    run("What it is.", NUMBERS, measured, ["--rounds", "7", "--json", str(path)])
    first, *_ = capsys.readouterr().out.splitlines()
    assert " cores, load " in first
    found = json.loads(path.read_text())["figures"]
    assert (found["rounds"]["median"], found["watch"]["median"]) == (7.0, 1.5)


def test_the_help_tells_what_it_is_and_every_default(capsys):
    with pytest.raises(SystemExit):
        run("What it is.", NUMBERS, measured, ["--help"])
    text = capsys.readouterr().out
    assert "What it is." in text
    assert "rounds (default: 3)" in text
    assert "seconds (default: 1.5)" in text


def test_an_option_may_be_a_word(capsys):
    numbers = (Number("tools", "", "which"),)
    seen = []

    def measure(options):
        seen.append(options.tools)
        return [Figure("a", "s", (1.0,))]

    run("What it is.", numbers, measure, ["--tools", "b"])
    with pytest.raises(SystemExit):
        run("What it is.", numbers, measure, ["--help"])
    assert seen == ["b"]
    assert "which (default: all)" in capsys.readouterr().out


def test_an_option_is_of_its_defaults_kind(capsys):
    with pytest.raises(SystemExit):
        run("What it is.", NUMBERS, measured, ["--rounds", "1.5"])
    assert "invalid int value: '1.5'" in capsys.readouterr().err
