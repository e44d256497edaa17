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
from server.lib.arguments import bind

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


def operations():
    for path, verbs in DOCUMENT["paths"].items():
        for verb, operation in verbs.items():
            yield pytest.param(path, verb, operation, id=f"{verb} {path}")


@pytest.mark.parametrize(("path", "verb", "operation"), operations())
def test_every_method_has_an_example_that_it_understands_and_answers_of_each_kind(path, verb, operation):
    arguments = dict(addresses(get_resolver()))[path].description.arguments
    if verb == "get":
        said = {one["name"]: one["example"] for one in operation.get("parameters", ()) if "example" in one}
    elif "multipart/form-data" in operation.get("requestBody", {}).get("content", {}):
        return
    else:
        said = operation["requestBody"]["content"]["application/json"]["example"] if arguments else {}
    assert set(said) <= set(bind(arguments, said))
    shown = operation["responses"]["200"]["content"]["application/json"]["examples"]
    assert [shown[name]["value"]["success"] for name in ("done", "refused")] == [True, False]
    assert shown["refused"]["value"]["message"]
    refusals = DOCUMENT["components"]["responses"]
    assert set(operation["responses"]) == {"200", *refusals} == {"200", "400", "403", "404", "413", "429", "500"}
    for refusal in refusals.values():
        (example,) = refusal["content"]["application/json"]["examples"].values()
        assert example["value"]["success"] is False
        assert example["value"]["message"]


def test_the_slip_in_an_example_is_told_in_the_words_of_the_server(client, pilot):
    shown = DOCUMENT["paths"]["/api/v1/pilot/update_job"]["post"]["responses"]["200"]
    example = shown["content"]["application/json"]["examples"]["refused"]["value"]
    assert pilot.v1("/api/v1/pilot/update_job", {"job_status": "running"}) == example


@pytest.mark.parametrize("message", MESSAGES)
def test_every_field_of_a_message_has_words_and_a_schema(message):
    for field in dataclasses.fields(message):
        name = field.metadata["names"][Dialect.V1]
        assert not name or (WORDS[name].endswith(".") and field.metadata["kind"].expected in SCHEMAS), name


def test_no_words_are_left_over():
    names = {field.metadata["names"][Dialect.V1] for message in MESSAGES for field in dataclasses.fields(message)}
    assert set(WORDS) == names - {""} | {"timeout"}
