from __future__ import annotations

import json
import os

import pytest

from pilot.contract.naming import JOB_REPORT as NAME
from pilot.runtime.job_report import LARGEST, read


def test_a_report_is_passed_on_as_json(tmp_path):
    (tmp_path / NAME).write_text('{"events": 5,\n "né": [1]}')
    assert json.loads(read(tmp_path)) == {"events": 5, "né": [1]}


def test_a_payload_need_not_write_one(tmp_path, caplog):
    assert read(tmp_path) == ""
    assert caplog.text == ""


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100_000, '"x"', "{" + " " * LARGEST + "}"])
def test_what_cannot_be_passed_on_is_told(tmp_path, caplog, text):
    (tmp_path / NAME).write_text(text)
    assert read(tmp_path) == ""
    assert f"{NAME} is not passed on" in caplog.text


def test_no_link_is_followed_and_no_pipe_waited_for(tmp_path):
    (tmp_path / "secret").write_text('{"password": 1}')
    (tmp_path / NAME).symlink_to(tmp_path / "secret")
    assert read(tmp_path) == ""
    (tmp_path / NAME).unlink()
    os.mkfifo(tmp_path / NAME)
    assert read(tmp_path) == ""
