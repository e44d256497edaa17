"""What is sealed opens for its own place alone, and by every key of the file."""

from __future__ import annotations

import pytest

from server.credentials.keyring import NAME, Keyring, KeysMissing, SealBroken, keyring, lines_in, new_key


def test_a_text_opens_in_its_place_and_nothing_of_it_can_be_read(keys):
    sealed = keys.seal("geheim", "job/1")
    assert b"geheim" not in sealed
    assert keys.open(sealed, "job/1") == "geheim"
    assert keys.open(memoryview(sealed), "job/1") == "geheim"
    assert keys.seal("geheim", "job/1") != sealed


def test_what_was_moved_or_altered_does_not_open(keys):
    sealed = keys.seal("geheim", "job/1")
    for wrong, about in [(sealed, "job/2"), (sealed[:-1] + bytes([sealed[-1] ^ 1]), "job/1"), (sealed[:12], "job/1")]:
        with pytest.raises(SealBroken, match="altered, or was sealed for another row"):
            keys.open(wrong, about)


def test_an_older_key_opens_and_one_that_is_gone_does_not():
    first, second = lines_in(f"{new_key()}\n{new_key()}\n")
    sealed = Keyring([first]).seal("geheim", "a")
    both = Keyring([second, first])
    assert both.open(sealed, "a") == "geheim"
    assert both.newest != Keyring([first]).newest
    with pytest.raises(SealBroken, match="is not in credential_keys any more"):
        Keyring([second]).open(sealed, "a")


def test_a_file_that_was_replaced_is_read_anew(home, keys):
    new = home / "new"
    new.write_text(new_key())
    new.chmod(0o600)
    new.replace(home / NAME)
    assert keyring().newest != keys.newest


def test_without_keys_the_words_say_what_to_do(home):
    (home / NAME).chmod(0o640)
    with pytest.raises(KeysMissing, match="chmod 600"):
        keyring()
    (home / NAME).unlink()
    with pytest.raises(KeysMissing, match="`compass-server init` makes it"):
        keyring()


@pytest.mark.parametrize("text", ["", "short", "a" * 44, f"{'AAAA' * 10}AAA=\nno-base64!"])
def test_what_is_no_key_is_refused_and_not_repeated(text):
    with pytest.raises(KeysMissing) as wrong:
        lines_in(text)
    assert not any(line in str(wrong.value) for line in text.split())


def test_a_keyring_shows_no_key(keys, home):
    assert (home / NAME).read_text().strip() not in repr(keys) + str(vars(keys))
