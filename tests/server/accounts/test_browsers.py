"""What browsers are told on the encrypted address, and elsewhere."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from server.settings.browsers import browser_settings, origin_of
from server.settings.environment import Environment


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("", ""),
        ("https://prod.example.org/", "https://prod.example.org"),
        ("https://Prod.example.org:443", "https://prod.example.org"),
        ("https://[::1]:25443", "https://[::1]:25443"),
    ],
)
def test_the_address_of_the_pages_is_an_origin(address, origin):
    assert origin_of(address) == origin


@pytest.mark.parametrize(
    "address", ["prod.example.org", "ftp://x", "https://x/y", "https://u@x", "https://x:y", "https://"]
)
def test_what_is_no_address_is_refused_with_the_variable(address):
    with pytest.raises(ImproperlyConfigured, match="COMPASS_SERVER_PUBLIC_URL"):
        origin_of(address)


def test_behind_an_encrypted_address_cookies_never_travel_in_clear():
    said = browser_settings(Environment(public_url="https://prod.example.org", hsts_days=30))
    assert said["SESSION_COOKIE_SECURE"]
    assert said["CSRF_COOKIE_SECURE"]
    assert said["SECURE_HSTS_SECONDS"] == 30 * 86400
    assert not browser_settings(Environment(hsts_days=30))["SECURE_HSTS_SECONDS"]


@pytest.mark.django_db
def test_what_came_by_the_encrypted_address_is_secure_and_forms_from_it_are_believed(settings):
    settings.CSRF_TRUSTED_ORIGINS, settings.ALLOWED_HOSTS = ["https://prod.example.org"], ["*"]
    settings.SECURE_HSTS_SECONDS = 60
    browser = Client(enforce_csrf_checks=True)
    answer = browser.get("/login", headers={"Host": "prod.example.org"})
    assert answer["Strict-Transport-Security"] == "max-age=60"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "camera=()" in answer["Permissions-Policy"]
    assert "Strict-Transport-Security" not in browser.get("/login", headers={"Host": "localhost"})
    token = browser.cookies[settings.CSRF_COOKIE_NAME].value
    said = {"username": "x", "password": "y", "csrfmiddlewaretoken": token}
    for origin, status in (("https://prod.example.org", 400), ("https://elsewhere.example.org", 403)):
        headers = {"Host": "prod.example.org", "Origin": origin}
        assert browser.post("/login", said, headers=headers).status_code == status
