from __future__ import annotations

import pytest

from pilot.errors import ConfigError
from pilot.site.login import Login, read_login


def test_no_file_is_nobody_in_particular():
    assert read_login("", "broker.credentials_file") == Login()


def test_login_and_password_stand_on_a_line_each(tmp_path):
    file = tmp_path / "login"
    file.touch(mode=0o600)
    file.write_text("\n pilot \nsésame with blanks\n")
    assert read_login(str(file), "x") == Login("pilot", "sésame with blanks")


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (b"pilot\nsesame\n", 0o640, "can be used by others; its mode has to be 0600"),
        (b"sesame\n", 0o600, "holds 1 lines; a login and a password are expected"),
        (b"\xff\nsesame\n", 0o600, "not plain text"),
    ],
)
def test_a_file_that_does_not_do_is_refused_without_telling_what_is_in_it(tmp_path, content, mode, words):
    file = tmp_path / "login"
    file.write_bytes(content)
    file.chmod(mode)
    with pytest.raises(ConfigError, match=words) as caught:
        read_login(str(file), "broker.credentials_file")
    assert "sesame" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match="broker.credentials_file: .*/none cannot be read: No such file"):
        read_login(str(tmp_path / "none"), "broker.credentials_file")
