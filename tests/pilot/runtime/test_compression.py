from __future__ import annotations

import importlib.util
import io
import sys

import pytest

from pilot.errors import ConfigError
from pilot.runtime import compression
from pilot.runtime.compression import GZIP, ZSTD, compressed, decompressed, require

CONTENT = b"a muon on its way\n" * 10000
HAS_ZSTD = importlib.util.find_spec("zstandard") is not None or sys.version_info >= (3, 14)
needs_zstd = pytest.mark.skipif(not HAS_ZSTD, reason="not tested: neither zstandard nor Python 3.14 is here")


@pytest.mark.parametrize("name", [GZIP, pytest.param(ZSTD, marks=needs_zstd)])
def test_what_is_compressed_is_read_again_and_the_same_content_makes_the_same_bytes(name):
    made = []
    for _ in range(2):
        file = io.BytesIO()
        with compressed(file, name) as writer:
            writer.write(CONTENT)
        made.append(file.getvalue())
    assert made[0] == made[1]
    assert len(made[0]) < len(CONTENT) / 10
    with decompressed(io.BytesIO(made[0])) as reader:
        assert b"".join(iter(lambda: reader.read(1000), b"")) == CONTENT


@needs_zstd
def test_zstd_is_zstd():
    file = io.BytesIO()
    with compressed(file, ZSTD) as writer:
        writer.write(CONTENT)
    assert file.getvalue()[:4] == b"\x28\xb5\x2f\xfd"
    require(ZSTD)


def test_a_compressor_that_is_not_installed_is_told_with_the_remedy(monkeypatch):
    monkeypatch.setattr(compression, "_MODULES", ("no.such.zstd", "no_such_zstd"))
    require(GZIP)
    with pytest.raises(ConfigError, match=r"log\.compression: zstd is not installed; install zstandard"):
        require(ZSTD)
    with pytest.raises(ConfigError, match="zstd is not installed"), decompressed(io.BytesIO(b"\x28\xb5\x2f\xfd")):
        pass


@pytest.mark.parametrize("content", [b"", b"x", b"PK\x03\x04 and more"])
def test_what_no_compressor_of_logs_has_made_is_told_as_such(content):
    with pytest.raises(OSError, match="neither by gzip nor by zstd"), compression.decompressed(io.BytesIO(content)):
        pytest.fail("it was opened")
