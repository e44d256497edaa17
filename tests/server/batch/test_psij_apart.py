"""What the process apart makes of psij and of its commands; with psij itself, it is tested by test_psij.py."""

from __future__ import annotations

import runpy
import sys

import pytest

from server.batch import psij_apart
from server.batch.base import BatchFailed, BatchMisconfigured
from server.batch.psij_answers import Piece
from server.batch.psij_apart import UNCLEAR, _ask, _executor, _last, _state, _words


class Understands:
    """Stands in for an executor of psij's that reads answers so."""

    def __init__(self, read):
        self.parse_status_output = read


def fail(status, text):
    raise AssertionError(f"{text} is not known to PSI/J")


def where(folder, **more):
    return {"executor": "pbs", "folder": "", "programs": str(folder), "environment": {}, "timeout": 20.0, **more}


def program(folder, text):
    (folder / "qstat").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "qstat").chmod(0o755)


@pytest.mark.parametrize("read", [fail, lambda status, text: {}, lambda status, text: {}["x"]])
def test_a_state_that_psij_does_not_know_is_unclear(read):
    assert _state(Understands(read), "pbs", Piece("1.server", "Z", "", "")) == UNCLEAR


def test_a_job_of_cobalt_that_is_being_killed_has_not_ended_whatever_psij_says():
    assert _state(Understands(fail), "cobalt", Piece("1234", "killing", "", "")) == "ACTIVE"


def test_a_command_has_the_environment_that_was_said_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_SERVER", "x")
    program(tmp_path, "env; echo said >&2; exit 3")
    status, answer, errors = _ask(where(tmp_path, environment={"PBS_CONF_FILE": "/etc/x"}), ["qstat"])
    names = {line.partition("=")[0] for line in answer.splitlines()} - {"PWD", "SHLVL", "_", "OLDPWD"}
    assert (status, names, errors) == (3, {"PATH", "PBS_CONF_FILE"}, "said\n")


def test_a_command_that_is_late_is_ended(tmp_path):
    program(tmp_path, "exec sleep 600")
    with pytest.raises(BatchFailed, match="qstat did not answer within 0.2 s"):
        _ask(where(tmp_path, timeout=0.2), ["qstat"])


def test_a_program_is_named_once():
    assert _words("qsub", "qsub: no\n  such queue ", 1) == "qsub: no such queue"
    assert _words("bsub", "no such queue", 1) == "bsub: no such queue"
    assert _words("bsub", "", 7) == "bsub: status 7"
    assert len(_last("x" * 9999)) < 1000


def test_a_python_without_psij_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "psij", None)
    with pytest.raises(BatchMisconfigured, match=r"psij is not installed .*-m pip install 'psij-python>=0.9.11,<0.10'"):
        _executor("pbs", "/shared")


def test_a_python_that_is_too_old_says_so(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    with pytest.raises(ImportError, match="is Python 3.9: name one from 3.11 on"):
        runpy.run_path(psij_apart.__file__)
