"""What is sent to a login node, and what becomes of the words of those who do not let us in."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from server.batch import ssh_starter
from server.batch.base import BatchFailed, Needs, Template
from server.batch.ssh_connection import bundle, explain
from tests.server.batch.ssh_systems import open_ssh


@pytest.mark.parametrize(
    ("status", "said", "words"),
    [
        (255, "", "ssh has no connection: without a word"),
        (
            255,
            "ssh: connect to host x port 22: Connection refused\r\n",
            "ssh has no connection: ssh: connect to host x",
        ),
        (255, "@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nx", "is not the one in known_hosts"),
        (
            255,
            "No ED25519 host key is known for x\nHost key verification failed.",
            "its host key is not in known_hosts",
        ),
        (255, "a@x: Permission denied (publickey).", "see options user and identity_file (ssh: a@x: Permission denied"),
        (127, "sh: 1: python3: not found", "name one by options.python (sh: 1: python3: not found)"),
        (126, "sh: 1: /etc: Permission denied", "no such Python there"),
        (-9, "Traceback\n  File\nMemoryError", "has ended with status -9: Traceback; File; MemoryError"),
    ],
)
def test_why_there_is_no_connection_is_told_with_what_to_do(status, said, words):
    assert words in explain(status, said)


def test_a_long_lament_is_cut_to_its_end():
    assert explain(1, "x" * 10_000 + " the cause").endswith("x the cause")
    assert len(explain(1, "x" * 10_000)) < 600


def test_the_same_modules_make_the_same_archive_and_hold_nothing_else():
    bundle.cache_clear()
    digest, whole = bundle()
    bundle.cache_clear()
    assert bundle() == (digest, whole)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        names = archive.namelist()
    assert {"server/batch/ssh_agent.py", "server/lib/apart.py", "pilot/contract/codec.py"} <= set(names)
    assert all(name.endswith(".py") for name in names)


def test_a_python_that_is_too_old_is_told_in_words(tmp_path):
    program = Path(ssh_starter.__file__).read_text().replace("OLDEST = (3, 9)", "OLDEST = (9, 0)")
    argv = [sys.executable, "-I", "-c", f"n={{}};exec({program!r},n);n['main']({{}})"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=tmp_path)
    mark, _, said = done.stdout.partition("{")
    assert mark == ssh_starter.MARK
    assert "is too old: name one from 3.9 on by options.python" in said


#: Stands for a login node on which somebody else answers.
EVIL = """#!{python}
import sys
sys.stdin.readline()
print('compass-agent {{"ready": true}}', flush=True)
for line in sys.stdin:
    print({answer!r}, flush=True)
"""


@pytest.fixture
def says_instead(tmp_path, monkeypatch):
    """Answer a system behind a login node that gives one answer to all questions."""

    def say(answer):
        (tmp_path / "bin").mkdir()
        ssh = tmp_path / "bin" / "ssh"
        ssh.write_text(EVIL.format(python=sys.executable, answer=answer))
        ssh.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        nobody = SimpleNamespace(port=22, identity=tmp_path / "id", known_hosts=tmp_path / "known_hosts")
        return open_ssh(nobody, tmp_path)

    return say


@pytest.mark.parametrize(
    "answer", ["no JSON", "[]", '{"piece": 7}', '{"piece": [["a", {}]]}', '{"piece": []}\n{"end": 1}']
)
def test_an_answer_that_cannot_be_one_is_no_word_on_any_job(says_instead, answer):
    with pytest.raises(BatchFailed, match="login: the login node's answer is not understood"):
        says_instead(answer).status(["a"])


SEEN = {"state": "running", "exit_status": None, "started": None, "ended": None, "words": "", "node": "n1"}


@pytest.mark.parametrize(
    "other", [{"words": 7}, {"node": None}, {"exit_status": "1"}, {"started": "2026-01-01T00:00:00"}, {"more": 1}]
)
def test_a_job_that_is_told_in_other_words_is_not_believed(says_instead, other):
    with pytest.raises(BatchFailed, match="not understood"):
        says_instead(json.dumps({"piece": [["a", {**SEEN, **other}]]})).status(["a"])


@pytest.mark.parametrize("ids", ["ab", ["a", "b"], ["../x"], [7], {"a": 1}])
def test_new_jobs_have_ids_or_are_found_by_their_key(says_instead, ids):
    system = says_instead(json.dumps({"piece": ids}) + '\n{"end": 1}')
    with pytest.raises(BatchFailed, match="not understood"):
        system.submit(Template(key="k", argv=("true",), environment={}, needs=Needs()), 1)


def test_a_log_has_no_more_bytes_than_are_brought(says_instead, tmp_path, monkeypatch):
    monkeypatch.setattr("server.batch.ssh.MOST", 10)
    block = base64.b64encode(b"123456").decode()
    system = says_instead("\n".join([json.dumps({"piece": ["a", "stdout", block]})] * 2))
    with pytest.raises(BatchFailed, match="more than 10 bytes of stdout"):
        system.collect(["a"])
    assert [each for each in (tmp_path / "here").rglob("*") if each.is_file()] == []


@pytest.mark.parametrize("piece", [["a", "../../x", ""], ["b", "stdout", ""], ["a", "x", ""], ["b", "", ""], "a", 7])
def test_no_login_node_writes_where_it_likes(says_instead, tmp_path, piece):
    system = says_instead(json.dumps({"piece": piece}))
    with pytest.raises(BatchFailed, match="not understood"):
        system.collect(["a"])
    assert [each for each in (tmp_path / "here").rglob("*") if each.is_file()] == []
