"""Pages refuse names that no database holds, wherever these stand, before anybody looks for them."""

from __future__ import annotations

import pytest
from django.http import HttpResponse

from server.lib.names import Nameable

pytestmark = pytest.mark.one_python
FORM = "application/x-www-form-urlencoded"


def answered(request):
    return Nameable(lambda _: HttpResponse(b"a page"))(request)


@pytest.mark.parametrize(
    "path", ["/pilots?queue=a%00b", "/usage?%00=1", "/queues/%00/pilots", "/pilots?node=a&node=%00"]
)
def test_a_name_with_a_nul_in_the_address_is_refused(rf, path):
    answer = answered(rf.get(path))
    assert answer.status_code == 400
    assert b"number 0" in answer.content


def test_one_in_a_form_or_a_cookie_is_refused(rf):
    assert answered(rf.post("/login", "name=a%00", content_type=FORM)).status_code == 400
    rf.cookies["sessionid"] = "aaaaaaaa\0"
    assert answered(rf.get("/pilots")).status_code == 400


@pytest.mark.parametrize("path", ["/", "/pilots?queue=%01%1b%7f&node=%e2%80%ae", "/usage?last=2026-11-22&json"])
def test_everything_else_goes_on_to_its_page(rf, path):
    assert answered(rf.get(path)).content == b"a page"
    assert answered(rf.post(path, "name=a", content_type=FORM)).content == b"a page"


ADDRESSES = [
    "/pilots?queue={}",
    "/pilots?node={}&json",
    "/factory/{}",
    "/harvester/workers?queue={}",
    "/pilots/nodes?queue={}",
]
ADDRESSES += [
    "/harvester/workers/{}/7",
    "/queues/{}/pilots",
    "/usage?user={}",
    "/cache/schedconfig/{}.all.json",
    "/tasks/{}",
]
ADDRESSES += ["/api/v1/pilot/get_pilots?queue={}", "/api/v1/pilot/get_nodes?queue={}", "/admin/pilots/pilot/?queue={}"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_page_breaks_on_characters_that_cannot_be_printed(admin_client, address):
    """A NUL that reached PostgreSQL would be an error of its driver."""
    assert admin_client.get(address.format("%00")).status_code == 400
    for character in ("%01", "%1b", "%7f", "%ed%a0%80", "%ff"):
        assert admin_client.get(address.format(character)).status_code < 500
