import json

import pytest

from client.errors import ClientError
from client.place import DEFAULT_HOME, Place, find_home, find_place


@pytest.fixture
def home(tmp_path):
    return find_home(str(tmp_path / "home"), {})


def test_the_option_wins_over_the_environment_and_both_over_the_default(tmp_path):
    assert find_home(str(tmp_path), {"COMPASS_HOME": "/elsewhere"}).folder == tmp_path
    assert str(find_home(None, {"COMPASS_HOME": "/elsewhere"}).folder) == "/elsewhere"
    assert str(find_home(None, {}).folder).endswith(DEFAULT_HOME.removeprefix("~"))


def test_the_system_that_is_up_is_found_by_what_it_wrote(home):
    home.make()
    home.system_file.write_text(json.dumps({"url": "http://127.0.0.1:1", "token_file": "/t", "pid": 1, "started": 0}))
    place = find_place(None, None, home, {})
    assert (place.url, str(place.token_file)) == ("http://127.0.0.1:1", "/t")


def test_an_address_from_the_environment_wins_over_the_local_system(home):
    home.make()
    home.system_file.write_text(json.dumps({"url": "http://127.0.0.1:1", "token_file": "/t", "pid": 1, "started": 0}))
    place = find_place(None, None, home, {"COMPASS_URL": "https://far:25443/"})
    assert (place.url, place.token_file) == ("https://far:25443", None)


def test_without_any_server_the_error_says_how_to_get_one(home):
    with pytest.raises(ClientError, match="compass up"):
        find_place(None, None, home, {})


def test_half_a_system_file_counts_as_none(home):
    home.make()
    home.system_file.write_text('{"url": "http')
    with pytest.raises(ClientError, match="no server is known"):
        find_place(None, None, home, {})


def test_what_is_not_an_address_is_refused_by_name(home):
    with pytest.raises(ClientError, match="localhost:80"):
        find_place("localhost:80", None, home, {})


def test_a_token_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ClientError, match="nothing-here"):
        Place("http://x", tmp_path / "nothing-here").token()


def test_only_the_owner_may_look_into_a_home(home):
    home.make()
    assert home.run.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", [b"two\nlines", b"two words", b"\xff\xfe", b""])
def test_what_cannot_be_a_token_is_not_sent_and_not_told(tmp_path, content):
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(ClientError, match="holds no token") as caught:
        Place("http://x", tmp_path / "token").token()
    assert "two" not in str(caught.value)
