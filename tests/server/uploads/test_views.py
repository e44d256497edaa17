"""Uploads are fetched by name alone."""

from __future__ import annotations

import pytest

from tests.server.uploads.test_logic import BODY, NAME, keep


def test_a_file_is_fetched_without_an_identity(client, home):
    keep()
    answer = client.get(f"/cache/{NAME}")
    assert b"".join(answer.streaming_content) == BODY
    assert answer.headers["Content-Length"] == str(len(BODY))
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["Content-Type"] == "application/octet-stream"


def test_what_is_not_there_or_gone_is_404(client, home):
    assert client.get("/cache/other.tar.gz").status_code == 404
    keep()
    (home / "cache" / NAME).unlink()
    answer = client.get(f"/cache/{NAME}")
    assert answer.status_code == 404
    assert NAME in answer.content.decode()


def test_only_files_are_fetched_and_only_read(client, home):
    (home / "secret_key").write_text("x")
    assert client.get("/cache/..%2Fsecret_key").status_code == 404
    assert client.post(f"/cache/{NAME}").status_code == 405


@pytest.mark.parametrize(("name", "status"), [("%00", 400), ("a%00b", 400), (".part-0", 404), ("%F0%9F%98%80", 404)])
def test_what_no_file_is_called_is_not_looked_for(client, home, django_assert_num_queries, name, status):
    with django_assert_num_queries(0):
        assert client.get(f"/cache/{name}").status_code == status
