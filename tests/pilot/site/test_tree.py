"""Reading the kernel's small files, and what is mounted where."""

from __future__ import annotations

from pathlib import Path

from pilot.site.tree import Mount, Tree, pairs_of

LINES = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,errors=remount-ro
31 22 0:28 /part /mnt/with\\040blank ro,nosuid - tmpfs none rw
broken line
"""


def test_mounts_are_read_with_their_options_and_blanks(tmp_path):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text(LINES)
    assert Tree(tmp_path).mounts() == (
        Mount("/", "ext4", "/dev/vda", ("rw", "relatime", "errors=remount-ro")),
        Mount("/mnt/with blank", "tmpfs", "none", ("ro", "nosuid", "rw"), "/part"),
    )


def test_what_is_not_there_says_nothing(tmp_path):
    tree = Tree(tmp_path)
    assert (tree.text("a"), tree.whole("a"), tree.names("a"), tree.pairs("a"), tree.mounts()) == ("", None, (), {}, ())


def test_a_file_without_a_number_has_none(tmp_path):
    (tmp_path / "limit").write_text("max\n")
    (tmp_path / "count").write_text(" 12\n")
    assert (Tree(tmp_path).whole("limit"), Tree(tmp_path).whole("/count")) == (None, 12)


def test_of_a_name_that_comes_back_the_first_counts():
    assert pairs_of("a : 1\nno mark\na: 2\nb:") == {"a": "1", "b": ""}


def test_on_this_node_something_is_mounted_at_the_root():
    assert any(mount.point == "/" for mount in Tree(Path("/")).mounts())
