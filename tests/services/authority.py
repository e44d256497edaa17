"""An authority that issues certificates for tests' own servers and clients."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """``file`` is its own certificate. Everything it makes is PEM, in ``folder``, and good for a day."""

    def __init__(self, folder: Path, name: str = "tests") -> None:
        self.folder, self._name, self._key = folder, _named(name), ec.generate_private_key(ec.SECP256R1())
        folder.mkdir(parents=True)
        self.file = folder / "ca.pem"
        own = _begun(self._name, self._name, self._key.public_key())
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        identity = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        signed = own.add_extension(usage, True).add_extension(identity, False).sign(self._key, hashes.SHA256())
        self.file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> Path:
        """Answer a file with a certificate for a host, or a person, and its key; a host's is good for 127.0.0.1 too."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        identity = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        made = _begun(_named(name), self._name, key.public_key())
        made = made.add_extension(x509.SubjectAlternativeName(names), False).add_extension(identity, False)
        signed = made.sign(self._key, hashes.SHA256())
        file = self.folder / f"{name}.pem"
        plain = serialization.NoEncryption()
        kind = serialization.PrivateFormat.TraditionalOpenSSL
        file.touch(mode=0o600)
        file.write_bytes(
            signed.public_bytes(serialization.Encoding.PEM) + key.private_bytes(serialization.Encoding.PEM, kind, plain)
        )
        return file


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _begun(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
    )
