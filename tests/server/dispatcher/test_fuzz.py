"""Whatever the description of the interface allows, and what it does not, is answered: the server never breaks.

More examples are sent where ``COMPASS_TEST_EXAMPLES`` says so.
"""

from __future__ import annotations

import json
import os

import pytest
import schemathesis
from django.urls import get_resolver
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from server.accounts.logic import create_token
from server.accounts.models import Role
from server.dispatcher.openapi import addresses, document
from tests.server import jobs

pytestmark = [pytest.mark.one_python, pytest.mark.django_db]

DOCUMENT = document(addresses(get_resolver()))
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
CALLS = [
    (path, verb.upper(), mode)
    for path, verbs in DOCUMENT["paths"].items()
    for verb, operation in verbs.items()
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or operation.get("parameters") or "requestBody" in operation
]
MODEST = settings(
    max_examples=int(os.environ.get("COMPASS_TEST_EXAMPLES", "2")),
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize(("path", "verb", "mode"), CALLS)
def test_every_call_is_answered_in_the_envelope(client, queue, path, verb, mode):
    jobs.submit(2)
    jobs.claim()
    client.raise_request_exception = False
    headers = {"Authorization": f"Bearer {create_token('anybody', Role.ADMIN)}"}

    @MODEST
    @given(SCHEMA[path][verb].as_strategy(generation_mode=mode))
    def call(case):
        if verb == "GET":
            answer = client.get(path, dict(case.query or {}), headers=headers)
        else:
            body = case.body if isinstance(case.body, bytes) else json.dumps(case.body, default=str).encode()
            answer = client.post(path, body, case.media_type or "application/json", headers=headers)
        assert answer.status_code < 500, answer.content
        assert set(answer.json()) == {"success", "message", "data"}
        assert answer.json()["success"] or answer.json()["message"]

    call()
