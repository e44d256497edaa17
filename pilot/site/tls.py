"""Encrypted connections of the pilot's own, beside those by HTTP."""

from __future__ import annotations

import socket
from pathlib import Path


def encrypted(plain: socket.socket, host: str, certificate: str, authorities: str) -> socket.socket:
    """Begin TLS on a connection: the other side's certificate and name are verified.

    Raises:
        OSError: the certificate is not right, or a file cannot be read.
    """
    import ssl

    folder = bool(authorities) and Path(authorities).is_dir()
    context = ssl.create_default_context(
        cafile=authorities if authorities and not folder else None, capath=authorities if folder else None
    )
    if certificate:
        context.load_cert_chain(certificate)
    return context.wrap_socket(plain, server_hostname=host)
