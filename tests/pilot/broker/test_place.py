from __future__ import annotations

import pytest

from pilot.broker.place import place_of
from pilot.errors import ConfigError
from pilot.settings.broker import Broker
from pilot.site.login import Login


@pytest.fixture
def login(tmp_path):
    file = tmp_path / "login"
    file.touch(mode=0o600)
    file.write_text("pilot\nsesame-of-the-broker\n")
    return str(file)


@pytest.mark.parametrize(
    ("url", "host", "port", "encrypted"),
    [
        ("stomps://mb.example.org:61013", "mb.example.org", 61013, True),
        ("stomp+ssl://mb.example.org", "mb.example.org", 61614, True),
        ("stomp://localhost/", "localhost", 61613, False),
        ("stomp://[::1]:7", "::1", 7, False),
    ],
)
def test_a_broker_has_an_address(login, url, host, port, encrypted):
    place = place_of(Broker(url=url, credentials_file=login))
    assert (place.host, place.port, place.encrypted, place.virtual_host) == (host, port, encrypted, host)
    assert place.login == Login("pilot", "sesame-of-the-broker")
    assert "sesame" not in str(place)


@pytest.mark.parametrize(
    "url", ["", "mb:61013", "http://mb", "stomps://", "stomps://u:sesame@mb", "stomp://mb:x", "stomp://mb/a"]
)
def test_a_wrong_address_is_refused_without_its_password(url):
    with pytest.raises(ConfigError, match=r"broker\.url: .* is no address of a message broker; stomps://") as caught:
        place_of(Broker(url=url))
    assert "sesame" not in str(caught.value)


def test_a_destination_is_a_topic_or_a_queue():
    with pytest.raises(ConfigError, match="such as /topic/"):
        place_of(Broker(url="stomps://mb", destination="panda.pilot"))


def test_a_password_is_not_sent_unencrypted(login):
    with pytest.raises(ConfigError, match="not sent unencrypted"):
        place_of(Broker(url="stomp://mb.example.org", credentials_file=login))
