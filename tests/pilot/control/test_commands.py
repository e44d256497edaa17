from __future__ import annotations

import pytest

from pilot.control.commands import Commands, read_commands


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("NULL", Commands()),
        ("", Commands()),
        ("tobekilled", Commands(kill=True)),
        ("softkill", Commands(soft_kill=True)),
        ("nocleanup", Commands(keep=True)),
        ("debug", Commands(debug=True)),
        ("debug,tobekilled", Commands(debug=True, kill=True)),
        (" debug , nocleanup ", Commands(debug=True, keep=True)),
        ("tail -n 5 payload.stdout", Commands(show=(("tail", "-n", "5", "payload.stdout"),))),
        ("ls -l 'a b',ps", Commands(show=(("ls", "-l", "a b"), ("ps",)))),
        ("debug,du -s .,softkill", Commands(debug=True, show=(("du", "-s", "."),), soft_kill=True)),
    ],
)
def test_a_command_is_read_alone_and_among_others(text, commands):
    assert read_commands(text) == commands
    assert bool(commands) is (text not in ("NULL", ""))


def test_debug_is_switched_off_by_its_own_word():
    """Stock pilots look for ``debug`` anywhere in the text first, and so never switch it off."""
    assert read_commands("debugoff").debug is False
    assert read_commands("debug,debugoff").debug is False
    assert read_commands("debugoff,debug").debug is True


@pytest.mark.parametrize("word", ["debugging", "nodebug", "tobekilledsoon", "badattemptnr", "tail 'half"])
def test_a_word_that_only_looks_like_a_command_does_nothing(word):
    assert read_commands(word) == Commands(unknown=(word,))
