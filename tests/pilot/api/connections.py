"""A server of one's own below HTTP: for tests in which connections break off, or speak TLS."""

from __future__ import annotations

import contextlib
import re
import socket
import threading


def whole_request(connection):
    """Read a request to the end of its body; what a peer that goes away has sent."""
    read = b""
    while piece := connection.recv(65536):
        read += piece
        head, found, body = read.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\nContent-Length: *(\d+)", head)
        if found and len(body) >= (int(length[1]) if length else 0):
            break
    return read


@contextlib.contextmanager
def accepting(serve):
    """Give each connection to ``serve`` in a thread of its own. Yields the port."""

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(60)
