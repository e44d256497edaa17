"""Which paths are none."""

from __future__ import annotations

import pytest

from server.storage.base import FaultKind
from server.storage.paths import folder_of, refusal, sort_out


@pytest.mark.parametrize("path", ["a", "a/b.root", ".hidden", "a..b/c", "a b", "µ"])
def test_names_of_files_are_taken(path):
    assert refusal(path) is None


@pytest.mark.parametrize(
    "path", ["", "/", "/a", "a/", "..", "a/..", "a/./b", "a//b", "a\nb", "a\0", "a?x=1", "\ud800", "a\udc80"]
)
def test_what_could_mean_something_else_is_refused_with_the_path(path):
    fault = refusal(path)
    assert fault.kind is FaultKind.FORBIDDEN
    assert repr(path) in fault.words


def test_paths_keep_their_order_and_come_once():
    good, refused = sort_out(["b", "a", "../x", "b"])
    assert good == ["b", "a"]
    assert list(refused) == ["../x"]


@pytest.mark.parametrize(("said", "meant"), [("", ""), ("/", ""), ("a/b/", "a/b"), ("/a", "a"), ("a/..", None)])
def test_a_folder_may_be_written_with_slashes_around(said, meant):
    assert folder_of(said) == meant
