"""The bundle: what is in it, that it is the same each time, and that every Python runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from wrappers import build_bundle

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheels():
    try:
        return build_bundle.fetch(ROOT / "build" / "wheels")
    except build_bundle.BundleError as wrong:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"not tested: {wrong}")


@pytest.fixture(scope="module")
def bundle(wheels, tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "pilot.pyz"
    build_bundle.write(path, list(build_bundle.members(wheels)))
    return path


def pythons(version):
    """Interpreters of one version, on the PATH or kept by pyenv."""
    kept = sorted(Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/python"))
    return [*filter(None, [shutil.which(f"python{version}", path="/usr/local/bin:/usr/bin:/bin")]), *map(str, kept)]


def test_two_builds_have_the_same_bytes(wheels, bundle, tmp_path):
    again = tmp_path / "again.pyz"
    digest = build_bundle.write(again, list(reversed(list(build_bundle.members(wheels)))))
    assert again.read_bytes() == bundle.read_bytes()
    assert len(digest) == 64


def test_it_holds_the_pilot_its_four_libraries_and_nothing_for_one_python(bundle):
    names = zipfile.ZipFile(bundle).namelist()
    tops = {name.partition("/")[0] for name in names if not name.partition("/")[0].endswith(".dist-info")}
    assert {"__main__.py", "LICENSE", "pilot", "requests", "yaml", "pluggy", "psutil"} <= tops
    assert not tops & {"server", "client", "examples", "tests", "compass_mc"}
    assert [name for name in names if name.endswith(".so") and ".abi3." not in name] == []
    assert [name for name in names if name.endswith((".pyc", "RECORD"))] == []
    assert "certifi/cacert.pem" in names
    assert [name for name in names if "dist-info" in name and "licen" in name.lower()]


def test_every_module_of_the_pilot_is_in_it(bundle):
    names = set(zipfile.ZipFile(bundle).namelist())
    ours = {path.relative_to(ROOT).as_posix() for path in (ROOT / "pilot").rglob("*.py")}
    assert ours <= names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("requests/api.py", True),
        ("requests-2.32.5.dist-info/METADATA", True),
        ("requests-2.32.5.dist-info/RECORD", False),
        ("psutil/_psutil_linux.abi3.so", True),
        ("yaml/_yaml.cpython-39-x86_64-linux-gnu.so", False),
        ("psutil/tests/__init__.py", False),
        ("psutil/", False),
    ],
)
def test_what_belongs_into_it(name, expected):
    assert build_bundle.belongs(name) is expected


def test_two_libraries_that_bring_the_same_file_are_refused(tmp_path):
    with pytest.raises(build_bundle.BundleError, match="two libraries bring a.py"):
        build_bundle.write(tmp_path / "b.pyz", [("a.py", b""), ("b.py", b""), ("a.py", b"x")])
    assert list(tmp_path.iterdir()) == []


def test_a_wheel_that_the_lock_does_not_name_is_thrown_away(tmp_path):
    lock = tmp_path / "lock.txt"
    lock.write_text("")
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "evil-1-py3-none-any.whl").write_bytes(b"evil")
    assert build_bundle.fetch(tmp_path / "wheels", lock) == []


def test_a_lock_that_cannot_be_fulfilled_is_told(tmp_path):
    lock = tmp_path / "lock.txt"
    lock.write_text("pluggy==1.6.0 --hash=sha256:" + "0" * 64 + "\n")
    with pytest.raises(build_bundle.BundleError, match="could not be fetched"):
        build_bundle.fetch(tmp_path / "wheels", lock)


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.11", "3.12", "3.13"])
def test_every_python_runs_it_with_all_its_libraries(bundle, tmp_path, version):
    found = pythons(version)
    if not found:
        pytest.skip(f"not tested: there is no Python {version} here")
    zipfile.ZipFile(bundle).extractall(tmp_path / "b")
    answer = subprocess.run(
        [found[0], "-I", str(tmp_path / "b"), "--version"], capture_output=True, text=True, timeout=60
    )
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "0.1.0\n", "")
    text = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'b')!r})\n"
        "import requests, yaml, pluggy, psutil, pilot.user.compass, pilot.copytool.local, pilot.copytool.engine\n"
        "assert psutil.Process().memory_info().rss\nprint(*[m.__file__ for m in (requests, yaml, pluggy, psutil)])"
    )
    loaded = subprocess.run([found[0], "-I", "-W", "error", "-c", text], capture_output=True, text=True, timeout=60)
    assert loaded.returncode == 0, loaded.stderr
    assert all(path.startswith(str(tmp_path)) for path in loaded.stdout.split())


def test_the_command_prints_the_hash_as_sha256sum_does(wheels, tmp_path):
    argv = [sys.executable, str(ROOT / "wrappers" / "build_bundle.py"), "--output", str(tmp_path / "p.pyz")]
    begun = time.perf_counter()
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert time.perf_counter() - begun < 60
    assert (
        said
        == subprocess.run(["sha256sum", str(tmp_path / "p.pyz")], capture_output=True, text=True, check=True).stdout
    )
