"""One copy, step by step: what is compared, what is left, what is told."""

from __future__ import annotations

import pytest

from server.storage.base import StorageUnavailable
from server.storage.movers.local import LocalTool
from server.storage.movers.steps import carry_out, clean, moving

CONTENT = b"COMPASS " * 100


class Lying(LocalTool):
    """A storage that loses the end of what it writes, or tells no checksums."""

    def __init__(self, *, loses=0, silent=False):
        self.loses, self.silent = loses, silent

    def copy(self, source, target):
        yield from super().copy(source, target)
        path = target.removeprefix("file://")
        with open(path, "r+b") as file:  # noqa: PTH123
            file.truncate(len(CONTENT) - self.loses)

    def checksum(self, url):
        return None if self.silent else super().checksum(url)


@pytest.fixture
def urls(tmp_path):
    (tmp_path / "here").write_bytes(CONTENT)
    return {name: f"file://{tmp_path / name}" for name in ("here", "there", "aside")}


def carried(tool, urls, size=None, checksum=""):
    return list(carry_out(tool, urls["here"], urls["there"], urls["aside"], size, checksum))


def test_a_copy_tells_how_far_it_is_and_ends_with_what_was_verified(urls, tmp_path):
    pieces = carried(LocalTool(), urls)
    assert pieces[-1] == {"moved": len(CONTENT), "done": LocalTool().checksum(urls["here"])}
    assert (tmp_path / "there").read_bytes() == CONTENT
    assert not (tmp_path / "aside").exists()


def test_what_an_earlier_try_left_aside_is_copied_over(urls, tmp_path):
    (tmp_path / "aside").write_bytes(b"y" * 5000)
    assert "done" in carried(LocalTool(), urls)[-1]


def test_what_arrives_short_never_gets_its_name(urls, tmp_path):
    (words,) = carried(Lying(loses=1), urls)[-1].values()
    assert "what has arrived is not what was sent: 799 bytes instead of 800" in words
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here"]


def test_a_copy_that_cannot_be_verified_is_not_begun(urls, tmp_path):
    (words,) = carried(Lying(silent=True), urls)[-1].values()
    assert "could not be verified" in words
    assert not (tmp_path / "there").exists()


def test_a_folder_is_no_file(urls, tmp_path):
    (tmp_path / "there").mkdir()
    assert "is a folder" in carried(LocalTool(), urls)[-1]["failed"]


def test_what_cannot_be_written_is_told_and_what_cannot_be_removed_is_left(urls, tmp_path):
    urls["aside"] = f"file://{tmp_path / 'here' / 'aside'}"
    assert carried(LocalTool(), urls)[-1]["failed"]
    clean(LocalTool(), urls["aside"])


class Slow(LocalTool):
    """While it copies, somebody else puts a file under the final name; or when it renames."""

    def __init__(self, there, content, *, late=False):
        self.there, self.content, self.late = there, content, late

    def copy(self, source, target):
        yield from super().copy(source, target)
        if not self.late:
            self.there.write_bytes(self.content)

    def rename(self, before, after):
        self.there.write_bytes(self.content)
        super().rename(before, after)


@pytest.mark.parametrize("late", [False, True])
def test_what_somebody_else_put_there_meanwhile_is_not_overwritten(urls, tmp_path, late):
    last = carried(Slow(tmp_path / "there", b"theirs", late=late), urls)[-1]
    assert "there" in last["failed"]
    assert (tmp_path / "there").read_bytes() == b"theirs"
    assert not (tmp_path / "aside").exists()


def test_the_same_file_put_there_meanwhile_is_as_good(urls, tmp_path):
    assert "done" in carried(Slow(tmp_path / "there", CONTENT), urls)[-1]
    assert not (tmp_path / "aside").exists()


def test_a_copy_that_tells_the_same_again_and_again_has_stopped():
    times = iter(range(0, 1000, 2))
    told = [{"moved": 0}, {"moved": 5}, {"moved": 5}, {"moved": 5}]
    assert list(moving(told, 10, lambda: next(times))) == told
    with pytest.raises(StorageUnavailable, match="no byte has come for 10 s, after 5 bytes"):
        list(moving([*told, *[{"moved": 5}] * 9], 10, lambda: next(times)))


@pytest.mark.parametrize("name", ["here", "there"])
def test_a_link_leads_nobody_out_of_a_storage(urls, tmp_path, name):
    (tmp_path / "secret").write_bytes(CONTENT)
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).symlink_to(tmp_path / "secret")
    assert "a symbolic link, which is not followed" in carried(LocalTool(), urls)[-1]["failed"]
    assert (tmp_path / name).is_symlink()
