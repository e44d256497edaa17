"""The description of the interface: it is valid, holds what is declared, and is served."""

from __future__ import annotations

import dataclasses

import pytest
from django.urls import get_resolver
from openapi_spec_validator import OpenAPIV31SpecValidator

from pilot.contract.codec import Dialect
from pilot.contract.messages import JobUpdate, WorkRequest
from pilot.contract.worker import WorkerGpus, WorkerNode, WorkerStatus
from server.dispatcher.openapi import SCHEMAS, addresses, document
from server.dispatcher.words import WORDS

DOCUMENT = document(addresses(get_resolver()))
MESSAGES = (WorkRequest, JobUpdate, WorkerStatus, WorkerNode, WorkerGpus)
OWN = "/api/v1/openapi.json"


def body_of(path: str) -> dict:
    return DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]


def test_the_description_is_valid_openapi():
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_it_is_served_to_everybody(client, db):
    answer = client.get(OWN)
    assert answer.status_code == 200
    assert answer.json() == DOCUMENT


def test_every_method_of_the_dispatcher_is_in_it():
    views = dict(addresses(get_resolver()))
    ours = {path for path, view in views.items() if view.__module__.startswith("server.dispatcher")} - {OWN}
    assert len(ours) > 10
    assert ours <= set(DOCUMENT["paths"])


def test_a_message_is_described_by_its_own_fields():
    schema = body_of("/api/v1/pilot/update_job")
    assert schema["required"] == ["job_id", "job_status"]
    assert schema["properties"]["job_status"]["enum"][0] == "starting"
    names = {field.metadata["names"][Dialect.V1] for field in dataclasses.fields(JobUpdate)} - {""}
    assert set(schema["properties"]) == names
    assert schema["additionalProperties"] is False


def test_a_query_is_described_with_its_lists():
    wanted, timeout = DOCUMENT["paths"]["/api/v1/job/get_status"]["get"]["parameters"]
    assert (wanted["name"], wanted["required"], wanted["schema"]["type"]) == ("job_ids", True, "array")
    assert (timeout["name"], timeout["required"], timeout["schema"]["type"]) == ("timeout", False, "integer")


def test_who_may_call_is_said():
    kill, alive = (DOCUMENT["paths"][f"/api/v1/{path}"] for path in ("job/kill", "system/is_alive"))
    assert "production" in kill["post"]["description"]
    assert kill["post"]["security"] == [{"token": []}]
    assert alive["get"]["security"] == []


@pytest.mark.parametrize("message", MESSAGES)
def test_every_field_of_a_message_has_words_and_a_schema(message):
    for field in dataclasses.fields(message):
        name = field.metadata["names"][Dialect.V1]
        assert not name or (WORDS[name].endswith(".") and field.metadata["kind"].expected in SCHEMAS), name


def test_no_words_are_left_over():
    names = {field.metadata["names"][Dialect.V1] for message in MESSAGES for field in dataclasses.fields(message)}
    assert set(WORDS) == names - {""} | {"timeout"}
