"""A link with a real RabbitMQ, and with peers that behave as no broker does."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time

import pytest

from pilot.broker.frames import Frame, Reader, write
from pilot.broker.link import Link, Lost, connect
from pilot.broker.place import Place
from pilot.site.login import Login
from tests.services.authority import Authority
from tests.services.rabbitmq import PASSWORD, USER

pytestmark = pytest.mark.one_python


def place(port, **more):
    return Place(
        "localhost", port, False, "/topic/panda.pilot", "/", Login(USER, PASSWORD), "", "", 5.0, 60.0
    )._replace(**more)


def test_rabbitmq_takes_a_subscription_by_tls_and_gives_messages(rabbitmq):
    secure = place(rabbitmq.tls, encrypted=True, authorities=str(rabbitmq.authority.file))
    with contextlib.closing(connect(secure, time.monotonic)) as link:
        rabbitmq.send("/topic/panda.pilot", b"one")
        assert [message.body for message in arrived(link)] == [b"one"]


def arrived(link: Link) -> list[Frame]:
    while not (found := link.messages()):
        assert select.select([link], [], [], 10)[0], "no message came"
    for message in found:
        link.acknowledge(message)
    return found


def test_what_was_not_acknowledged_comes_again_and_what_was_does_not(rabbitmq):
    queue = place(rabbitmq.plain, destination="/queue/acknowledged")
    rabbitmq.send("/queue/acknowledged", b"one")
    link = connect(queue, time.monotonic)
    while not link.messages():
        assert select.select([link], [], [], 10)[0]
    link.close()
    with contextlib.closing(connect(queue, time.monotonic)) as again:
        assert [message.body for message in arrived(again)] == [b"one"]
    with contextlib.closing(connect(queue, time.monotonic)) as third:
        rabbitmq.send("/queue/acknowledged", b"two")
        assert [message.body for message in arrived(third)] == [b"two"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"login": Login(USER, "wrong")}, "the broker says: Bad CONNECT|Access refused"),
        ({"virtual_host": "none"}, "the broker says"),
    ],
)
def test_rabbitmq_refuses_who_may_not_come(rabbitmq, more, words):
    with pytest.raises(Lost, match=words) as caught:
        connect(place(rabbitmq.plain, **more), time.monotonic)
    assert PASSWORD not in str(caught.value)


def test_a_broker_with_a_strangers_certificate_or_another_name_is_not_spoken_to(rabbitmq, tmp_path):
    stranger = Authority(tmp_path / "stranger", "stranger")
    secure = place(rabbitmq.tls, encrypted=True, authorities=str(stranger.file))
    with pytest.raises(Lost, match="CERTIFICATE_VERIFY_FAILED"):
        connect(secure, time.monotonic)
    with pytest.raises(Lost, match="CERTIFICATE_VERIFY_FAILED"):
        connect(secure._replace(host="127.1", authorities=str(rabbitmq.authority.file)), time.monotonic)


@contextlib.contextmanager
def peer(*answers: bytes):
    """Be a peer that says one thing to each frame that comes, and listens on."""
    heard: list[Frame] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            left, reader = list(answers), Reader()
            with connection, contextlib.suppress(OSError):
                while content := connection.recv(4096):
                    for frame in reader.feed(content):
                        heard.append(frame)
                        if left:
                            connection.sendall(left.pop(0))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1], heard
    thread.join(60)


CONNECTED = write(Frame("CONNECTED", {"version": "1.2", "heart-beat": "1000,2000"}))
RECEIPT = write(Frame("RECEIPT", {"receipt-id": "subscribed"}))


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_signs_of_life_are_given_and_expected_as_was_agreed():
    clock = Clock()
    with peer(CONNECTED, RECEIPT) as (port, _), contextlib.closing(connect(place(port, beat=1.0), clock)) as link:
        clock.now = 1.9
        link.beat()
        assert link.next_beat() == 2.0  # the peer wants one in 2 s; it gives one in 1 s, and twice that is waited
        clock.now = 2.0
        with pytest.raises(Lost, match="no sign of life for 2 s"):
            link.beat()


def test_who_wants_no_signs_of_life_gets_none():
    silent = peer(write(Frame("CONNECTED", {})), RECEIPT)
    with silent as (port, _), contextlib.closing(connect(place(port), time.monotonic)) as link:
        assert link.next_beat() is None


def test_a_message_that_comes_before_the_receipt_is_not_lost():
    early = write(Frame("MESSAGE", {"ack": "1"}, b"early"))
    with peer(CONNECTED, early + RECEIPT + early) as (port, heard):
        link = connect(place(port), time.monotonic)
        assert [message.body for message in link.messages()] == [b"early", b"early"]
        link.close()
    assert [frame.command for frame in heard] == ["CONNECT", "SUBSCRIBE", "DISCONNECT"]


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), "NotStomp: no command"),
        ((write(Frame("ERROR", {"message": "no such vhost"})),), "the broker says: no such vhost"),
        ((CONNECTED, write(Frame("ERROR", {}, b"not allowed"))), "the broker says: not allowed"),
        ((write(Frame("CONNECTED", {"heart-beat": "often"})),), "no heart-beat"),
        ((), "no CONNECTED came within 0 s|timed out"),
    ],
)
def test_a_peer_that_is_no_broker_is_left(answers, words):
    with peer(*answers) as (port, _), pytest.raises(Lost, match=words):
        connect(place(port, timeout=0.3), time.monotonic)


def test_what_a_broker_says_of_an_error_is_told_in_short_and_without_the_password():
    said = write(Frame("ERROR", {"message": f"no {PASSWORD}\n{'x' * 10_000}"}))
    with peer(said) as (port, _), pytest.raises(Lost) as caught:
        connect(place(port), time.monotonic)
    words = str(caught.value)
    assert words.startswith("the broker says: no *** xxx")
    assert len(words) < 300


@pytest.mark.parametrize("beats", ["9" * 400, "9" * 12])
def test_signs_of_life_that_come_once_in_a_lifetime_are_waited_for_by_nobody(beats):
    strange = peer(write(Frame("CONNECTED", {"heart-beat": f"{beats},{beats}"})), RECEIPT)
    with strange as (port, _), contextlib.closing(connect(place(port), lambda: 0.0)) as link:
        assert link.next_beat() <= 2 * 86400


def test_a_broker_that_never_stops_speaking_is_listened_to_in_turns():
    message = write(Frame("MESSAGE", {"ack": "1"}, b"x" * 60_000))
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            connection.recv(4096)
            connection.sendall(CONNECTED + RECEIPT)
            with contextlib.suppress(OSError):
                for _ in range(20_000):
                    connection.sendall(message)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        link = connect(place(listening.getsockname()[1]), time.monotonic)
        counts = []
        while sum(counts) < 100:
            assert select.select([link], [], [], 10)[0]
            counts.append(len(link.messages()))
        assert max(counts) <= 100
        link.close()
        thread.join(10)
    assert not thread.is_alive()


def test_a_broker_that_closes_the_connection_is_lost():
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            connection.recv(4096)
            connection.sendall(CONNECTED + RECEIPT)
            connection.recv(4096)
            connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        link = connect(place(listening.getsockname()[1]), time.monotonic)
        assert select.select([link], [], [], 10)[0]
        with pytest.raises(Lost, match="closed the connection"):
            link.messages()
        thread.join(60)


def test_nobody_there_is_lost():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(Lost, match="ConnectionRefusedError"):
        connect(place(port), time.monotonic)
