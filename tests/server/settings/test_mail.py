from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from server.settings.environment import read_environment
from server.settings.mail import mail_settings


def settings_of(**words):
    return mail_settings(read_environment({f"COMPASS_SERVER_{name.upper()}": value for name, value in words.items()}))


@pytest.mark.parametrize(
    ("security", "tls", "wrapped"), [("starttls", True, False), ("tls", False, True), ("none", False, False)]
)
def test_the_connection_to_the_mail_server_is_secret_unless_it_is_said_that_it_need_not_be(security, tls, wrapped):
    found = settings_of(smtp_host="mail.example.org", smtp_security=security)
    assert (found["EMAIL_USE_TLS"], found["EMAIL_USE_SSL"]) == (tls, wrapped)
    assert settings_of()["EMAIL_USE_TLS"]


def test_a_way_that_is_not_known_is_refused():
    with pytest.raises(ImproperlyConfigured, match="'ssl' is none of starttls, tls, none"):
        settings_of(smtp_security="ssl")


def test_the_password_is_in_a_file_that_nobody_else_may_read(tmp_path):
    file = tmp_path / "word"
    with pytest.raises(ImproperlyConfigured, match="No such file"):
        settings_of(smtp_password_file=str(file))
    file.write_text("secret\n")
    file.chmod(0o640)
    with pytest.raises(ImproperlyConfigured, match="chmod 600"):
        settings_of(smtp_password_file=str(file))
    file.chmod(0o600)
    assert settings_of(smtp_password_file=str(file))["EMAIL_HOST_PASSWORD"] == "secret"
