"""An authority that issues certificates for tests' own servers and clients, by the openssl program."""

from __future__ import annotations

import subprocess
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority:
    """``file`` is its own certificate. Everything it makes is PEM, in ``folder``, and good for a day."""

    def __init__(self, folder: Path, name: str = "tests") -> None:
        self.folder, self.file, self._key = folder, folder / "ca.pem", folder / "ca.key"
        folder.mkdir(parents=True)
        own = ("-days", "1", "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # which Python 3.13 wants to see
        _openssl("req", "-x509", *_KEY, *own, "-subj", f"/CN={name}", "-keyout", self._key, "-out", self.file)

    def issue(self, name: str) -> Path:
        """Answer a file with a certificate for a host, or a person, and its key; a host's is good for 127.0.0.1 too."""
        request, wanted, file = (self.folder / f"{name}.{end}" for end in ("csr", "ext", "pem"))
        key = self.folder / f"{name}.key"
        keys = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        wanted.write_text(f"subjectAltName=DNS:{name},IP:127.0.0.1\nbasicConstraints=CA:FALSE\n{keys}")
        _openssl("req", "-new", *_KEY, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        own = ("-CA", self.file, "-CAkey", self._key, "-CAcreateserial")
        _openssl("x509", "-req", "-in", request, *own, "-days", "1", "-extfile", wanted, "-out", file)
        file.write_text(file.read_text() + key.read_text())
        file.chmod(0o600)
        return file


def _openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, stdin=subprocess.DEVNULL)
