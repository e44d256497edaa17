"""Real chunks of Monte Carlo, made once for all tests of this folder."""

from __future__ import annotations

import pytest

from tests.examples.mc.chunk_files import ChunkFiles, run_generate, run_reconstruct


@pytest.fixture(scope="session")
def chunks(tmp_path_factory: pytest.TempPathFactory) -> list[ChunkFiles]:
    """Three chunks of one run, 600 events the first and 200 each other, generated and reconstructed."""
    folder = tmp_path_factory.mktemp("run")
    made = [ChunkFiles.under(folder, chunk) for chunk in (1, 2, 3)]
    for files in made:
        assert run_generate(files, events=600 if files.chunk == 1 else 200) == 0
        assert run_reconstruct(files) == 0
    return made
