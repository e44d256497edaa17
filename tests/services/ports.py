"""Free ports of this machine for a test's own servers."""

from __future__ import annotations

import socket
from collections.abc import Sequence


def free_ports(count: int) -> Sequence[int]:
    """Answer ports of the loopback that nobody has at this moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
