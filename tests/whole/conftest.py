"""What all tests of whole systems need: a pilot bundle, and systems that are ended whatever happens."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.whole.local_system import LocalSystem
from wrappers import build_bundle

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the bundle from the sources as they are."""
    path = tmp_path_factory.mktemp("bundle") / "pilot.pyz"
    try:
        wheels = build_bundle.fetch(ROOT / "build" / "wheels")
    except build_bundle.BundleError as wrong:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"not tested: {wrong}")
    build_bundle.write(path, list(build_bundle.members(wheels)))
    return path


@pytest.fixture
def local_system(tmp_path: Path, bundle: Path) -> Iterator[Callable[..., LocalSystem]]:
    """Make systems in homes of their own."""
    made: list[LocalSystem] = []

    def make(home: Path | None = None, **environment: str) -> LocalSystem:
        made.append(LocalSystem(home or tmp_path / "home", bundle, **environment))
        return made[-1]

    yield make
    for system in made:
        system.close()
