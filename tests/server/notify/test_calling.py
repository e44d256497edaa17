from __future__ import annotations

import socket
import threading
import time

import pytest

from server.notify import calling
from server.notify.addresses import Target
from server.notify.calling import NotTaken, call


def target(port: int, scheme: str = "http", host: str = "localhost", *, is_named: bool = True) -> Target:
    return Target(scheme, host, port, "/hooks/1?a=b", is_named)


def test_a_call_is_a_post_of_the_body_with_its_headers(hook):
    assert call(target(hook.port), b'{"a": 1}', {"X-Compass-Delivery": "d"}) == 200
    path, headers, body = hook.got[0]
    assert (path, body) == ("/hooks/1?a=b", b'{"a": 1}')
    assert (headers["Content-Type"], headers["X-Compass-Delivery"]) == ("application/json", "d")
    assert headers["Host"] == f"localhost:{hook.port}"


def test_a_private_address_is_not_called_however_it_is_named(hook):
    with pytest.raises(NotTaken, match="localhost has no public address"):
        call(target(hook.port, is_named=False), b"{}", {})
    assert hook.got == []


@pytest.mark.parametrize(
    ("status", "words"), [(302, "redirects are not followed"), (500, "answered 500"), (404, "answered 404")]
)
def test_anything_but_success_is_not_taken_and_redirects_lead_nowhere(hook, status, words):
    hook.status = status
    with pytest.raises(NotTaken, match=words):
        call(target(hook.port), b"{}", {})
    assert len(hook.got) == 1


def test_an_answer_that_does_not_come_is_cut_off(hook, monkeypatch):
    monkeypatch.setattr(calling, "WHOLE", 0.3)
    hook.drips = True
    began = time.monotonic()
    with pytest.raises(NotTaken, match="localhost"):
        call(target(hook.port), b"{}", {})
    assert time.monotonic() - began < calling.STEP


def test_an_answer_that_drips_for_ever_is_cut_off(monkeypatch):
    monkeypatch.setattr(calling, "WHOLE", 0.5)
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as door:

        def drip() -> None:
            connection, _ = door.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while not stop.wait(0.05):
                    try:
                        connection.sendall(b"X: y\r\n")
                    except OSError:
                        return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        with pytest.raises(NotTaken, match="localhost"):
            call(target(door.getsockname()[1]), b"{}", {})
        stop.set()
        thread.join(5)


def test_nobody_listening_and_no_such_host_are_told(hook):
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    with pytest.raises(NotTaken, match="refused"):
        call(target(port), b"{}", {})
    with pytest.raises(NotTaken, match=r"no\.such\.host\.invalid"):
        call(target(1, host="no.such.host.invalid"), b"{}", {})


def test_by_tls_the_receiver_proves_to_be_the_host(safe_hook):
    receiver, context = safe_hook
    assert call(target(receiver.port, "https"), b"{}", {}, context=context) == 200
    with pytest.raises(NotTaken, match="certificate verify failed"):
        call(target(receiver.port, "https"), b"{}", {})
    assert len(receiver.got) == 1
