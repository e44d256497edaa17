"""Fluent's forward protocol, stood in for by a peer that checks each message and each proof of the key."""

from __future__ import annotations

import hashlib
import socket
import sys

import pytest

from pilot.errors import ConfigError
from pilot.realtime.address import read_address
from pilot.realtime.records import Lines, Origin, records_of
from pilot.realtime.services import make_service
from pilot.realtime.services.base import Access, NotSent
from tests.pilot.realtime.services.standing_in import over_tcp

msgpack = pytest.importorskip("msgpack")
RECORDS = records_of(Origin(7, 1, 3), Lines("payload.stdout", 1, ["one", "two é"]), 1.5e9)
KEY, NONCE, AUTH = "of-fluent", b"nonce", b"auth"


def service(port, **access):
    return make_service(read_address(f"fluent;tcp://127.0.0.1:{port}", "x"), Access("compass.pilot", **access))


def digest(*parts):
    return hashlib.sha512(b"".join(parts)).hexdigest()


class Peer:
    """``key`` empty: no greeting. ``acks``: what is answered to a message, given its chunk."""

    def __init__(self, key="", auth=b"", acks=lambda chunk: {"ack": chunk}, knows=None):
        self.key, self.auth, self.acks, self.knows = key, auth, acks, key if knows is None else knows
        self.messages, self.users = [], []

    def __call__(self, connection: socket.socket) -> None:
        unpacker = msgpack.Unpacker()
        if self.key:
            connection.sendall(msgpack.packb(["HELO", {"nonce": NONCE, "auth": self.auth, "keepalive": True}]))
            if not self.greeted(connection, self.receive(connection, unpacker)):
                return
        while (message := self.receive(connection, unpacker)) is not None:
            tag, entries, option = message
            assert all(isinstance(at, int) and isinstance(record, dict) for at, record in entries)
            assert option["size"] == len(entries)
            self.messages.append((tag, [record for _, record in entries]))
            answer = msgpack.packb(self.acks(option["chunk"]))
            connection.sendall(answer[:3])
            connection.sendall(answer[3:])

    def greeted(self, connection, ping):
        kind, host, salt, proof, user, password = ping
        assert kind == "PING"
        well = proof == digest(salt, host.encode(), NONCE, self.key.encode())
        if self.auth:
            well = well and password == digest(self.auth, user.encode(), self.key.encode())
            self.users.append(user)
        own = digest(salt, b"fluent", NONCE, self.knows.encode())
        connection.sendall(msgpack.packb(["PONG", well, "" if well else "shared key mismatch", "fluent", own]))
        return well

    @staticmethod
    def receive(connection, unpacker):
        while True:
            for message in unpacker:
                return message
            if not (content := connection.recv(4096)):
                return None
            unpacker.feed(content)


def test_records_are_sent_with_a_tag_and_acknowledged():
    peer = Peer()
    with over_tcp(peer) as port:
        made = service(port)
        made.send(RECORDS, 5)
        made.send(RECORDS[:1], 5)
        made.close()
    assert peer.messages == [("compass.pilot", RECORDS), ("compass.pilot", RECORDS[:1])]


@pytest.mark.parametrize("auth", [b"", AUTH])
def test_both_sides_prove_that_they_know_the_key(auth):
    peer = Peer(KEY, auth)
    with over_tcp(peer) as port:
        made = service(port, login="pilot", password=KEY)
        made.send(RECORDS, 5)
        made.send(RECORDS, 5)  # greeted once
        made.close()
    assert len(peer.messages) == 2
    assert peer.users == (["pilot"] if auth else [])


@pytest.mark.parametrize(
    ("peer", "words"),
    [
        (Peer("another"), "does not take the shared key"),
        (Peer(KEY, knows="another"), "the service does not know the shared key"),
        (Peer(KEY, acks=lambda chunk: {"ack": "another"}), "something else than the acknowledgement"),
        (Peer(KEY, acks=lambda chunk: [chunk]), "something else than the acknowledgement"),
        (lambda connection: connection.sendall(msgpack.packb(["HELLO"])), "no greeting came"),
        (lambda connection: connection.sendall(b"\xc1HTTP/1.1"), "no message of this protocol"),
        (lambda connection: None, "closed the connection"),
    ],
)
def test_whoever_is_no_such_service_is_not_believed(peer, words):
    with over_tcp(peer) as port, pytest.raises(NotSent, match=words) as caught:
        service(port, password=KEY).send(RECORDS, 5)
    assert KEY not in str(caught.value)


def test_a_service_that_does_not_acknowledge_is_given_up_in_time():
    silent = over_tcp(lambda connection: connection.recv(1 << 20) and connection.recv(1))
    with silent as port, pytest.raises(NotSent, match="TimeoutError|timed out"):
        service(port).send(RECORDS, 0.2)


def test_the_extra_is_named_where_msgpack_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "msgpack", None)
    with pytest.raises(ConfigError, match=r"install compass-pilot\[fluent\]"):
        service(1)
