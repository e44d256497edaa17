"""Whatever is sent to a method of the legacy dialect, in whatever dress, is answered: the server never breaks.

More examples are sent where ``COMPASS_TEST_EXAMPLES`` says so.
"""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import fields
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pilot.contract.codec import Dialect
from pilot.contract.messages import JobUpdate, WorkRequest
from pilot.contract.worker import WorkerStatus
from server.accounts.logic import create_token
from server.accounts.models import Role
from server.dispatcher.legacy import METHODS
from tests.server import jobs
from tests.server.dispatcher.conftest import Peer
from tests.server.dispatcher.test_anything import VALUES

pytestmark = [pytest.mark.one_python, pytest.mark.django_db]

MODEST = settings(
    max_examples=int(os.environ.get("COMPASS_TEST_EXAMPLES", "12")),
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
NAMES = sorted(
    {
        field.metadata["names"][Dialect.LEGACY]
        for kind in (JobUpdate, WorkRequest, WorkerStatus)
        for field in fields(kind)
    }
    | {*("ids", "code", "jobs", "jobList", "pandaID", "modeOn", "no_pickle", "harvester_id", "role", "dn", "nJobs")}
    | {*("publicKeyName", "privateKeyName", "client_name", "token_key", "useMailAsID", "timeout", "file")}
)
LISTED = st.lists(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4), max_size=2)
FIELDS = st.dictionaries(st.sampled_from(NAMES), VALUES | LISTED | LISTED.map(json.dumps), max_size=6)
RIGHT = st.fixed_dictionaries(
    {},
    optional={
        **{"siteName": st.just("LOCAL"), "jobId": st.sampled_from([1, "2", 99]), "state": st.just("running")},
        **{"ids": st.sampled_from(["1 2", "[1, 2]", [1], "(lp0"]), "pandaID": st.just(1), "modeOn": st.just("True")},
        **{"workerID": st.just(3), "harvesterID": st.just("H1"), "status": st.just("started")},
        **{"jobs": st.just('[{"transformation": "true", "computingSite": "LOCAL"}]'), "jobList": LISTED},
    },
)
BODIES = st.builds(lambda wrong, right: wrong | right, FIELDS, RIGHT)
TEXT = "application/x-www-form-urlencoded"


def dressed(body: dict) -> list[tuple[bytes, str, dict[str, str]]]:
    """The same fields in every dress that peers wear."""
    plain, form = json.dumps(body).encode(), urlencode({key: str(value) for key, value in body.items()}).encode()
    return [
        (plain, "application/json", {}),
        (plain, "application/json", {"Accept": TEXT}),
        (gzip.compress(plain), "application/json", {}),
        (gzip.compress(plain), "application/json", {"Content-Encoding": "gzip"}),
        (form, TEXT, {}),
        (form, TEXT, {"Accept": "application/json"}),
    ]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_answers_whatever_it_is_sent(client, queue, name):
    jobs.submit(2)
    jobs.claim()
    client.raise_request_exception = False
    peer = Peer(client, create_token("anybody", Role.ADMIN))

    @MODEST
    @given(BODIES)
    def send(body):
        for content, kind, headers in dressed(body):
            answer = peer.post(f"/server/panda/{name}", content, kind, **headers)
            assert answer.status_code < 500, (answer.content, body)
            said = answer.headers["Content-Type"]
            if said == "application/json" and headers.get("Accept") == TEXT:
                assert name in {"updateJobsInBulk", "getJobStatus", "getFullJobStatus"}  # which have no other form
            assert answer.content

    send()
    jobs.audit()
