"""People log in by certificates through a real Apache, and with a real browser through a real nginx."""

from __future__ import annotations

import ssl
from http.client import HTTPSConnection
from http.cookies import SimpleCookie

import pytest

from tests.server.manage.running import Server, command, free_port, init
from tests.services import chromium, fronts

pytestmark = pytest.mark.one_python

SECRET = "0123456789abcdef" * 4
GIVE = (
    "from django.contrib.auth.models import Group, User; "
    "User.objects.get(username='alice').groups.add(Group.objects.get(name='production'))"
)


@pytest.fixture
def door(request, tmp_path):
    """A server behind a front, and what its commands need to know."""
    home, secret = tmp_path / "home", tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    with fronts.running(request.param) as front:
        more = {
            "COMPASS_SERVER_FRONT_SECRET_FILE": str(secret),
            "COMPASS_SERVER_PUBLIC_URL": f"https://127.0.0.1:{front.port}",
            "COMPASS_SERVER_ADMINISTRATORS": "Eve (eve@example.org)",
        }
        assert init(home, **more).returncode == 0
        server = Server(home, free_port(), workers=1, **more)
        try:
            front.start(server.port, SECRET)
            yield front, lambda *words: command(home, *words, **more)
        finally:
            assert server.end() == 0


class Walker:
    """A browser in small: it keeps cookies, and shows the certificate that it is told to."""

    def __init__(self, front):
        self.front, self.cookies = front, SimpleCookie()

    def open(self, path, person=None):
        """Answer status, where it leads, and the text."""
        context = ssl.create_default_context(cafile=str(self.front.authority.file))
        if person is not None:
            context.load_cert_chain(person)
        line = HTTPSConnection("127.0.0.1", self.front.port, context=context, timeout=60)
        said = "; ".join(f"{name}={one.value}" for name, one in self.cookies.items())
        try:
            line.request("GET", path, headers={"Accept": "text/html", "Cookie": said})
            answer = line.getresponse()
            for cookie in answer.headers.get_all("Set-Cookie", []):
                self.cookies.load(cookie)
                assert "secure" in cookie.lower()
            return answer.status, answer.headers.get("Location", ""), answer.read().decode()
        finally:
            line.close()


@pytest.mark.parametrize("door", ["apache"], indirect=True)
def test_from_the_first_login_to_the_end_of_the_session(door):
    front, order = door
    alice, bob = front.authority.issue("alice"), front.authority.issue("bob")
    walker = Walker(front)
    assert walker.open("/tasks", alice)[:2] == (302, "/login?next=/tasks")
    assert "Log in with your certificate" in walker.open("/login?next=/tasks", alice)[2]
    assert walker.open("/login/certificate?next=/tasks", alice)[:2] == (302, "/tasks")
    assert walker.open("/tasks", alice)[:2] == (302, "/welcome")
    assert "ask Eve (eve@example.org)" in walker.open("/welcome", alice)[2]
    assert walker.open("/admin/", alice)[0] == 302
    assert order("shell", "-c", GIVE).returncode == 0
    assert walker.open("/admin/", alice)[0] == 200
    assert walker.open("/tasks", bob)[:2] == (302, "/login?ended=certificate&next=%2Ftasks")
    assert walker.open("/admin/", alice)[0] == 302  # the session has ended, and does not come back
    assert walker.open("/login/certificate")[0] == 403
    made = order("certificate", "join", "/CN=bob", "alice")
    assert made.stdout == "/CN=bob logs in alice\n", made.stderr
    assert walker.open("/login/certificate", bob)[:2] == (302, "/")
    assert walker.open("/admin/", bob)[0] == 200


@pytest.mark.parametrize("door", ["nginx"], indirect=True)
def test_a_real_browser_logs_in_by_its_certificate_and_out_when_it_shows_another(door):
    front, order = door
    address = f"https://127.0.0.1:{front.port}"

    def shows(person):
        file = str(front.authority.issue(person))
        return {
            "base_url": address,
            "ignore_https_errors": True,
            "client_certificates": [{"origin": address, "certPath": file, "keyPath": file}],
        }

    with chromium.running() as browser:
        context = browser.new_context(**shows("alice"))
        page = context.new_page()
        page.goto("/admin/")
        page.get_by_role("link", name="Log in with your certificate").click()
        page.wait_for_url("**/welcome")
        assert "have no rights here yet" in page.inner_text("main")
        assert order("shell", "-c", GIVE).returncode == 0
        page.goto("/admin/")
        assert page.url == f"{address}/admin/"
        kept = context.storage_state()
        context.close()
        other = browser.new_context(**shows("bob"), storage_state=kept)
        page = other.new_page()
        page.goto("/admin/")
        assert "You were logged out. Your browser shows another certificate now" in page.inner_text("main")
        other.close()
