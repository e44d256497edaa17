from __future__ import annotations

import os
import time

import pytest

from pilot.control.tails import end_of, last_lines, last_words, masking


def test_the_end_of_a_file_is_read_however_long_it_is(tmp_path):
    (tmp_path / "out").write_bytes(b"x" * 10**6 + b"\xff the end")
    assert end_of(tmp_path / "out", 9) == "\ufffd the end"


def test_what_is_no_file_has_no_end(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    assert [end_of(tmp_path / name) for name in ("pipe", "link", "gone", ".")] == ["", "", "", ""]


def test_the_last_lines_are_few_and_short():
    text = "\n".join(str(number) for number in range(100))
    assert last_lines(text, count=3) == "97\n98\n99"
    assert last_lines("y" * 5000, most=2048) == "y" * 2048


@pytest.mark.parametrize(("errors", "words"), [("it broke\n", "it broke"), ("\n", "event 7")])
def test_the_last_words_are_the_error_outputs_or_else_the_outputs(tmp_path, errors, words):
    (tmp_path / "out").write_text("event 7\n")
    (tmp_path / "err").write_text(errors)
    assert last_words(tmp_path / "out", tmp_path / "err") == words


def test_secrets_are_masked_also_those_that_are_learnt_later():
    secrets = [""]
    mask = masking(lambda: secrets)
    assert mask("tok-1 and tok-2") == "tok-1 and tok-2"
    secrets.append("tok-1")
    assert mask("tok-1 and tok-2") == "******** and tok-2"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("token: abcdefghijkl", "token: ********"),
        ("token: abcdefgh", "token: ********"),
        ("token: abcdefg", "token: abcdefg"),
        ("fghijklmno is it", "******** is it"),
        ("nop is the end", "nop is the end"),
        ("abcdefghij klmnop", "abcdefghij klmnop"),
        ("hijklmno, abcdefgh", "********, ********"),
        ("abcdefghabcdefghi", "abcdefgh********"),
        ("fghijklmnoabcdefgh", "********"),
    ],
)
def test_the_part_of_a_secret_with_which_a_text_begins_or_ends_is_masked(text, shown):
    assert masking(lambda: ["abcdefghijklmno"])(text) == shown


def test_where_two_parts_of_a_secret_overlap_neither_is_shown():
    secret = "abababab-middle-abababab"
    assert masking(lambda: [secret])("middle-abababab-mid") == "********"


def test_a_long_secret_costs_little_in_each_of_many_lines():
    secrets = ["".join(map(str, range(20_000)))]
    mask, began = masking(lambda: secrets), time.process_time()
    for number in range(1000):
        assert mask(f"event {number} of the run") == f"event {number} of the run"
    assert time.process_time() - began < 5  # 100 s and more where every length of a part is tried
