"""An authority that issues certificates, and proxies, for tests' own servers and clients, by the openssl program."""

from __future__ import annotations

import subprocess
from pathlib import Path

_PROXY = "proxyCertInfo=critical,language:id-ppl-inheritAll\nkeyUsage=critical,digitalSignature\n"
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_OLD_KEY = ("-newkey", "rsa:2048", "-nodes")  # the kind that Globus can delegate


class Authority:
    """``file`` is its own certificate. Everything it makes is PEM, in ``folder``, and good for a day."""

    def __init__(self, folder: Path, name: str = "tests", *, delegates: bool = False) -> None:
        """``delegates``: its key is of the kind that programs of the grid know, too."""
        self.name, self.folder, self.file, self._key = name, folder, folder / "ca.pem", folder / "ca.key"
        folder.mkdir(parents=True)
        own = ("-days", "1", "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # which Python 3.13 wants to see
        kind = _OLD_KEY if delegates else _KEY
        _openssl("req", "-x509", *kind, *own, "-subj", f"/CN={name}", "-keyout", self._key, "-out", self.file)

    def issue(self, name: str, *, delegates: bool = False) -> Path:
        """Answer a file with a certificate for a host, or a person, and its key; a host's is good for 127.0.0.1 too.

        ``delegates``: proxies of it are for Globus.
        """
        request, wanted, file = (self.folder / f"{name}.{end}" for end in ("csr", "ext", "pem"))
        key = self.folder / f"{name}.key"
        keys = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        wanted.write_text(f"subjectAltName=DNS:{name},IP:127.0.0.1\nbasicConstraints=CA:FALSE\n{keys}")
        kind = _OLD_KEY if delegates else _KEY
        _openssl("req", "-new", *kind, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        own = ("-CA", self.file, "-CAkey", self._key, "-CAcreateserial")
        _openssl("x509", "-req", "-in", request, *own, "-days", "1", "-extfile", wanted, "-out", file)
        file.write_text(file.read_text() + key.read_text())
        file.chmod(0o600)
        return file

    def proxy(self, person: Path, days: int = 1) -> Path:
        """Answer a file with a proxy (RFC 3820) of whom it has issued a file; -1 day makes one that has expired."""
        request, wanted, key, file = (person.with_suffix(f".{days}.{end}") for end in ("csr", "ext", "key", "pem"))
        wanted.write_text(_PROXY)
        _openssl("req", "-new", *_OLD_KEY, "-subj", f"/CN={person.stem}/CN=1", "-keyout", key, "-out", request)
        own = ("-CA", person, "-CAkey", person, "-set_serial", "1", "-days", str(days), "-extfile", wanted)
        _openssl("x509", "-req", "-in", request, *own, "-out", file)
        issuer = person.read_text().partition("-----BEGIN PRIVATE KEY")[0]
        file.write_text(file.read_text() + key.read_text() + issuer)
        file.chmod(0o600)
        return file

    def hashed(self) -> Path:
        """Answer a folder with its certificate, where programs of the grid look for it (``X509_CERT_DIR``)."""
        folder = self.folder / "certificates"
        if not folder.is_dir():
            folder.mkdir()
            name = _openssl("x509", "-in", self.file, "-noout", "-hash").decode().strip()
            (folder / f"{name}.0").write_bytes(self.file.read_bytes())
            subject = f"/CN={self.name}"
            (folder / f"{name}.signing_policy").write_text(
                f"access_id_CA X509 '{subject}'\npos_rights globus CA:sign\ncond_subjects globus '\"*\"'\n"
            )
        return folder


def _openssl(*words: str | Path) -> bytes:
    argv = ["openssl", *map(str, words)]
    return subprocess.run(argv, check=True, capture_output=True, stdin=subprocess.DEVNULL).stdout
