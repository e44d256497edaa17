"""A peer that speaks byte by byte, as stock pilots of two generations and ours do."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from django.http import HttpResponse

GET_JOB, UPDATE_JOB = "/server/panda/getJob", "/server/panda/updateJob"


class Peer:
    """Sends bodies as they are on the wire, and reads the answer as that peer does."""

    def __init__(self, client: Any, token: str) -> None:
        self.client = client
        self.token = token

    def post(self, path: str, body: bytes, content_type: str, **headers: str) -> HttpResponse:
        said = {"Authorization": f"Bearer {self.token}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        return self.client.post(path, body, content_type, headers=said)

    def form(self, path: str, fields: dict[str, Any], **headers: str) -> dict[str, Any]:
        """Pilot 3.7: curl with a form, reads JSON only."""
        body = urlencode(fields).encode()
        answer = self.post(path, body, "application/x-www-form-urlencoded", Accept="application/json", **headers)
        return json.loads(answer.content)

    def old_form(self, path: str, fields: dict[str, Any]) -> dict[str, str]:
        """The oldest: a form in, a form out."""
        answer = self.post(path, urlencode(fields).encode(), "application/x-www-form-urlencoded")
        assert answer.headers["Content-Type"] == "application/x-www-form-urlencoded"
        return {key: values[0] for key, values in parse_qs(answer.content.decode(), strict_parsing=True).items()}

    def packed(self, path: str, fields: dict[str, Any], **headers: str) -> dict[str, Any]:
        """Pilot 3.11: gzip JSON without Content-Encoding, no Accept."""
        body = gzip.compress(json.dumps(fields).encode())
        return json.loads(self.post(path, body, "application/json", **headers).content)

    def v1(self, path: str, fields: dict[str, Any], **headers: str) -> dict[str, Any]:
        """The newer dialect: JSON both ways."""
        answer = self.post(path, json.dumps(fields).encode(), "application/json", **headers)
        assert answer.status_code == 200
        assert set(answer.json()) == {"success", "message", "data"}
        return answer.json()


@pytest.fixture
def pilot(client: Any, pilot_token: str) -> Peer:
    return Peer(client, pilot_token)


@pytest.fixture
def manager(client: Any, production_token: str) -> Peer:
    return Peer(client, production_token)


@pytest.fixture(params=["form", "old_form", "packed"])
def speak(request: pytest.FixtureRequest, pilot: Peer) -> Callable[..., dict[str, Any]]:
    """Each dress of the legacy dialect in turn."""
    return getattr(pilot, request.param)
