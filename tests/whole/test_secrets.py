"""Where a token must not be: looked for while a job runs and after it, in processes, files and archives."""

from __future__ import annotations

import tarfile
from pathlib import Path

import psutil
import pytest

from tests.whole.local_system import PATIENCE, LocalSystem

pytestmark = pytest.mark.one_python

ROLES = ("pilot", "production", "admin")
OTHERS = ("secret_key", "credential_keys", "admin_password")


def tokens(system: LocalSystem) -> list[str]:
    return [(system.home / "server" / f"{role}.token").read_text().strip() for role in ROLES]


def secrets(system: LocalSystem) -> list[bytes]:
    others = [(system.home / "server" / name).read_text().strip() for name in OTHERS]
    return [text.encode() for text in [*tokens(system), *others]]


def holds(content: bytes, wanted: list[bytes]) -> bool:
    return any(secret in content for secret in wanted)


def told_of(process: psutil.Process) -> bytes:
    """Read what other users (the command line) and the process's children (the environment) see of a process."""
    try:
        return b"".join(Path(f"/proc/{process.pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
    except (FileNotFoundError, ProcessLookupError):
        return b""


def files_that_hold(folder: Path, wanted: list[bytes]) -> list[str]:
    """Look into every file, and into every member of every archive."""
    found = []
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        if holds(path.read_bytes(), wanted):
            found.append(str(path.relative_to(folder)))
        if path.suffix == ".tgz":
            with tarfile.open(path) as packed:
                members = [packed.extractfile(member) for member in packed if member.isfile()]
                found += [f"{path.name}: {member.name}" for member in members if holds(member.read(), wanted)]
    return found


def watched(system: LocalSystem, *words: str) -> tuple[dict[int, bytes], str]:
    """Run a command to its end; answer what was to be seen of each process of the system meanwhile, and its output."""
    called = system.start(*words)
    seen: dict[int, bytes] = {}

    def look() -> bool:
        for process in system.processes():
            seen[process.pid] = seen.get(process.pid, b"") + told_of(process)
        return called.poll() is not None

    system.wait_for(look, "the command ends", PATIENCE)
    out, said = called.communicate()
    assert called.returncode == 0, out + said
    return seen, out + said


def test_secrets_are_in_files_of_their_own_that_only_their_owner_reads_and_nowhere_else(local_system):
    system = local_system()
    seen, said = watched(system, *system.demo_words(chunks=1), "--keep")
    wanted = secrets(system)
    payloads = [text for text in seen.values() if b"compass-mc\0generate" in text]
    assert payloads, "no payload was seen"
    assert not any(b"COMPASS_PILOT" in text for text in payloads)
    assert any(b"pilot.pyz" in text and b"\0-I\0" in text for text in seen.values()), "no pilot was seen"
    assert [pid for pid, text in seen.items() if holds(text, wanted)] == []
    assert not holds(said.encode(), wanted)
    theirs = {*(f"server/{role}.token" for role in ROLES), *(f"server/{name}" for name in OTHERS)}
    assert set(files_that_hold(system.home, wanted)) == theirs
    assert {(system.home / name).stat().st_mode & 0o777 for name in theirs} == {0o600}
    assert {folder.stat().st_mode & 0o777 for folder in (system.home, system.home / "server")} == {0o700}
