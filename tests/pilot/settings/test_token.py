from __future__ import annotations

from pathlib import Path

import pytest

from pilot.errors import ConfigError
from pilot.settings import Server, Token
from pilot.settings.token import TOKEN_VARIABLE


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_token_is_read_anew_and_remembered_for_keeping_it_out_of_logs(tmp_path):
    path = write(tmp_path / "token", "first\n")
    token = Token(Server(token_file=str(path)))
    assert token.read() == "first"
    path.write_text("second")
    assert token.read() == "second"
    assert set(token.seen()) == {"first", "second"}


def test_a_token_may_come_from_the_environment(monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, "secret")
    assert Token(Server()).read() == "secret"
    monkeypatch.delenv(TOKEN_VARIABLE)
    assert (Token(Server()).read(), Token(Server()).seen()) == ("", ())


def test_a_token_that_cannot_be_read_is_named_by_its_file_only(tmp_path):
    path = tmp_path / "token"
    with pytest.raises(ConfigError, match=r"server\.token_file: .*token cannot be read: No such file"):
        Token(Server(token_file=str(path))).read()
    path.write_bytes(b"s\xffcret")
    with pytest.raises(ConfigError, match=r"server\.token_file: .*token holds no token") as caught:
        Token(Server(token_file=str(path))).read()
    assert "cret" not in caught.value.detail


@pytest.mark.parametrize("text", ["first\nsecond", "two words", "t\x07ken"])
def test_what_no_header_can_hold_is_no_token_and_is_not_told(tmp_path, monkeypatch, text):
    path = write(tmp_path / "token", text)
    with pytest.raises(ConfigError, match="holds no token") as caught:
        Token(Server(token_file=str(path))).read()
    assert text[:3] not in caught.value.detail.replace("token", "")
    monkeypatch.setenv(TOKEN_VARIABLE, text)
    with pytest.raises(ConfigError, match=TOKEN_VARIABLE):
        Token(Server()).read()
