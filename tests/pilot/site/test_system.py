"""Distribution and kernel."""

from __future__ import annotations

import os

from pilot.site import system
from pilot.site.tree import Tree


def test_the_distribution_names_itself(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text('ID="almalinux"\nVERSION_ID="9.4"\nPRETTY_NAME="AlmaLinux 9.4 (Cat)"\n')
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/stat").write_text("cpu 1 2\nbtime 1700000000\n")
    found = system.read(Tree(tmp_path), user=lambda: 5)
    assert (found.name, found.version, found.words) == ("almalinux", "9.4", "AlmaLinux 9.4 (Cat)")
    assert (found.user, found.booted_at) == (5, 1700000000.0)
    assert (found.kernel, found.architecture) == (os.uname().release, os.uname().machine)


def test_a_system_without_a_name_is_unknown(tmp_path):
    found = system.read(Tree(tmp_path))
    assert (found.name, found.version, found.booted_at) == ("unknown", "", 0.0)
