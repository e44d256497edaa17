"""An archive's manifest, and what is refused."""

from __future__ import annotations

import io
import json
import tarfile

import pytest

from server.manage import archive
from server.manage.archive import ArchiveRefused, Manifest


def _made(folder, content=b"all of it"):
    file = folder / "database"
    file.write_bytes(content)
    manifest = Manifest(1, "1.0", "2026-11-23", "sqlite", True, [], {"database": archive.digest(io.BytesIO(content))})
    archive.write(folder / "a.tar.gz", manifest, {"database": file})
    return folder / "a.tar.gz"


def _tar(path, manifest, **files):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in {"manifest.json": json.dumps(manifest).encode(), **files}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


WORDS = {"version": "9.0", "made_at": "", "database": "sqlite", "secrets": True, "migrations": []}


def test_what_was_written_is_read_again_and_nobody_else_may_read_it(tmp_path):
    path = _made(tmp_path)
    assert archive.verify(path, tmp_path / "into").version == "1.0"
    assert (tmp_path / "into/database").read_bytes() == b"all of it"
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.tar.gz", "database", "into"]


def test_an_archive_takes_the_place_of_no_other_file(tmp_path):
    _made(tmp_path)
    with pytest.raises(ArchiveRefused, match="exists; remove it"):
        _made(tmp_path)


def test_each_damage_is_found(tmp_path):
    path = _made(tmp_path, bytes(range(256)) * 40)
    whole = path.read_bytes()
    for damaged in (
        whole[:-30],
        whole[:100],
        b"",
        b"text",
        whole[: len(whole) // 2] + b"?" + whole[len(whole) // 2 + 1 :],
    ):
        path.write_bytes(damaged)
        with pytest.raises(ArchiveRefused, match="damaged|manifest"):
            archive.verify(path)


def test_a_file_that_is_missing_other_or_too_much_is_named(tmp_path):
    said = {**WORDS, "form": 1, "files": {"database": [3, "0" * 64]}}
    for files, words in (
        ({}, "database is missing"),
        ({"database": b"abc"}, "database is not what"),
        ({"x": b""}, "'x'"),
    ):
        with pytest.raises(ArchiveRefused, match=words):
            archive.verify(_tar(tmp_path / "b.tar.gz", said, **files))


@pytest.mark.parametrize("name", ["../x", "home/../../x", "/etc/x", "home/cache/../x", ".", "home/a/b"])
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    said = {**WORDS, "form": 1, "files": {name: archive.digest(io.BytesIO(b"abc"))}}
    with pytest.raises(ArchiveRefused, match="does not know"):
        archive.verify(_tar(tmp_path / "b.tar.gz", said, **{name: b"abc"}), tmp_path / "into")
    assert not (tmp_path / "x").exists()


def test_an_archive_of_a_newer_form_asks_for_a_newer_program(tmp_path):
    with pytest.raises(ArchiveRefused, match="made by 9.0, which is newer; upgrade"):
        archive.verify(_tar(tmp_path / "b.tar.gz", {**WORDS, "form": 2, "files": {}}))
