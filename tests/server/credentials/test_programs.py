"""Programs that make credentials: only those that were named, in a clean place, and not for ever."""

from __future__ import annotations

import os
import sys

import pytest

from server.credentials.programs import OUTPUT, ProgramFailed, refuse_others, run

PYTHON = sys.executable


def script(text):
    return [PYTHON, "-S", "-c", text]


def test_what_a_program_says_or_writes_is_taken():
    assert run(script("print('from its output')")) == "from its output"
    written = script("import sys; print('noise'); open(sys.argv[1][6:], 'w').write('from its file')")
    assert run([*written, f"--out={OUTPUT}"]) == "from its file"


def test_a_program_finds_nothing_of_the_server_but_where_things_are(monkeypatch):
    monkeypatch.setenv("COMPASS_SERVER_DATABASE", "postgresql://user:word@host/name")
    monkeypatch.setenv("HOME", "/robot")
    said = run(script("import os; print(sorted(os.environ), os.getcwd(), oct(os.umask(0)))"))
    assert "COMPASS" not in said
    assert "'HOME'" in said
    assert "compass-credential-" in said
    assert said.endswith("0o77")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (script("import sys; print('geheim', file=sys.stderr); sys.exit(3)"), "ended with status 3"),
        (script("print('a' * 70000)"), "more than 65536 bytes"),
        (script("print('\\u00fc')"), "no text"),
        ([*script("pass"), OUTPUT], "wrote no file"),
        ([*script("import os, sys; os.mkfifo(sys.argv[1])"), OUTPUT], "what it wrote is no file"),
        (["/nowhere/program"], "cannot be run: No such file"),
    ],
)
def test_a_program_that_gives_nothing_of_use_says_so(monkeypatch, command, words):
    monkeypatch.setenv("LANG", "C.UTF-8")
    with pytest.raises(ProgramFailed, match=words) as wrong:
        run(command)
    assert "geheim" not in str(wrong.value)


def test_a_program_that_waits_is_ended_with_all_that_it_started(tmp_path):
    alive, held = os.pipe()
    text = f"import os, signal; os.fork(); os.write({held}, b'x'); signal.pause()"
    os.set_inheritable(held, True)
    try:
        # The descriptor is closed in programs by Python's own default, so that they open it by its name.
        text = text.replace(f"os.write({held}", f"os.write(os.open('/proc/{os.getpid()}/fd/{held}', os.O_WRONLY)")
        with pytest.raises(ProgramFailed, match="was ended after 2 s"):
            run(script(text), patience=2.0)
    finally:
        os.close(held)
    # Both have begun, and the last of them that held the pipe is gone: its end is seen.
    with os.fdopen(alive, "rb") as pipe:
        assert set(pipe.read()) <= set(b"x")


@pytest.mark.parametrize("command", [[], ["/bin/sh", 1], ["/bin/sh", ""], ["/bin/sh", "\0"], [""]])
def test_what_is_no_command_is_refused(command):
    with pytest.raises(ProgramFailed, match="not a list of texts"):
        refuse_others(command, ["/bin/sh"])


def test_only_programs_that_were_named_are_run():
    refuse_others(["/usr/bin/voms-proxy-init", "-q"], ["/usr/bin/voms-proxy-init"])
    with pytest.raises(
        ProgramFailed, match="/bin/sh is not among COMPASS_SERVER_CREDENTIAL_PROGRAMS, which names none"
    ):
        refuse_others(["/bin/sh", "-c", "true"], [])
