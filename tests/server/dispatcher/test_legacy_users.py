"""Whom the legacy dialect takes a caller for."""

from __future__ import annotations


def test_a_caller_is_told_who_it_is_without_its_token(db, manager):
    answer = manager.client.get("/server/panda/getAttr", headers={"Authorization": f"Bearer {manager.token}"})
    text = answer.content.decode()
    assert "REMOTE_USER : a-manager\n" in text
    assert "ROLE : production\n" in text
    assert manager.token not in text


def test_the_newer_dialect_says_the_same(db, manager):
    headers = {"Authorization": f"Bearer {manager.token}", "User-Agent": "a-client"}
    told = manager.client.get("/api/v1/system/get_attributes", headers=headers).json()["data"]
    assert told["environment"] == {"REMOTE_USER": "a-manager", "ROLE": "production", "REQUEST_METHOD": "GET"}
    assert told["headers"]["User-Agent"] == "a-client"
    assert manager.token not in str(told)
