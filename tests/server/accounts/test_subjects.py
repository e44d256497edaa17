"""What a certificate's subject is called here, and whether it is let in."""

from __future__ import annotations

from itertools import islice

import pytest

from server.accounts.subjects import LONGEST_NAME, BadFront, alike, listed_in, may_log_in, name_of, subject_of


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ("/DC=org/DC=example/CN=Alice Example", "alice.example"),
        ("/DC=ch/OU=Users/CN=ada/CN=123456/CN=Ada Example", "ada.example"),
        ("/DC=ch/OU=Users/CN=ada/CN=123456", "ada"),
        ("/O=Grid/CN=Alice Example 42", "alice.example"),
        ("/O=Grid/CN=Robot: Data Mover - Alice 7", "robot.data.mover.-.alice"),
        ("/O=Grid/CN=host/www.example.org", "host.www.example.org"),
        ("/O=Grid/CN=Zoë Łuk", "zoë.łuk"),
        ("/O=Grid/CN=Алиса", "алиса"),
        ("/O=Grid/CN=../../<b>", "b"),
    ],
)
def test_an_account_has_a_readable_name(subject, name):
    assert name_of(subject) == name


@pytest.mark.parametrize("subject", ["/O=Grid", "/O=Grid/CN=42", "/O=Grid/CN=---"])
def test_what_names_nobody_is_refused_with_the_subject(subject):
    with pytest.raises(BadFront, match=f"{subject} has no Common Name"):
        name_of(subject)


def test_both_spellings_and_proxies_are_one_subject():
    assert subject_of("CN=Alice Example,DC=example,DC=org") == "/DC=org/DC=example/CN=Alice Example"
    assert subject_of("/DC=org/DC=example/CN=Alice Example/CN=proxy/CN=123") == "/DC=org/DC=example/CN=Alice Example"


def test_names_that_are_taken_get_a_number_and_stay_short():
    assert list(islice(alike("ada"), 3)) == ["ada", "ada.2", "ada.3"]
    assert max(map(len, alike("a" * LONGEST_NAME))) == LONGEST_NAME


@pytest.mark.parametrize(
    ("expression", "listed", "may"),
    [
        ("", (), True),
        ("/O=Grid/.*", (), True),
        ("/O=Gri", (), False),
        ("", ("/O=Grid/CN=ada",), True),
        ("x", ("/CN=b",), False),
    ],
)
def test_who_may_log_in_is_said_by_an_expression_or_a_list(expression, listed, may):
    assert may_log_in("/O=Grid/CN=ada", expression, frozenset(listed)) is may


def test_a_list_is_read_in_both_spellings_and_refused_when_it_names_nobody(tmp_path):
    file = tmp_path / "people"
    file.write_text("# shifters\n/O=Grid/CN=ada\nCN=bob,O=Grid\n")
    assert listed_in(str(file)) == {"/O=Grid/CN=ada", "/O=Grid/CN=bob"}
    for text, words in (("# none\n", "names nobody"), ("ada\n", "'ada' is no subject")):
        other = tmp_path / words[:3]
        other.write_text(text)
        with pytest.raises(ValueError, match=words):
            listed_in(str(other))
