"""The text on a file's origin: there and back, and what is refused."""

from __future__ import annotations

import pytest
from compass_mc import provenance
from compass_mc.errors import PayloadFailed
from compass_mc.provenance import Generated, Reconstructed, generated_from, joined, reconstructed_from, to_text

GENERATED = Generated(277000, 3, 11, 100, 210, "Pythia 8.317", 3e-4)
CHUNK = Reconstructed(1, 7, 100, 90, ((277000, 3),))


def test_what_is_written_is_read_back():
    assert generated_from(to_text(GENERATED), "file") == GENERATED
    assert reconstructed_from(to_text(CHUNK), "file") == CHUNK


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "null",
        "{}",
        to_text(GENERATED),
        '{"kind": "Reconstructed"}',
        to_text(CHUNK).replace("[277000, 3]", "5"),
    ],
)
def test_a_text_of_another_kind_is_refused_with_the_name_of_the_file(text):
    with pytest.raises(PayloadFailed, match=f"some.root has no usable {provenance.KEY}"):
        reconstructed_from(text, "some.root")


def test_an_unknown_or_a_missing_field_is_refused():
    for text in (to_text(GENERATED).replace('"seed"', '"sed"'), '{"kind": "Generated"}'):
        with pytest.raises(PayloadFailed, match=r"some.root has no usable provenance \(.*(sed|missing)"):
            generated_from(text, "some.root")


def test_a_merge_adds_events_and_sorts_chunks():
    more = Reconstructed(1, 7, 50, 40, ((277001, 1), (277000, 2)))
    expected = Reconstructed(1, 7, 150, 130, ((277000, 2), (277000, 3), (277001, 1)))
    assert joined([("a", CHUNK), ("b", more)]) == expected


def test_the_same_chunk_number_in_two_runs_is_no_repetition():
    assert len(joined([("a", CHUNK), ("b", Reconstructed(1, 7, 1, 1, ((277001, 3),)))]).chunks) == 2
