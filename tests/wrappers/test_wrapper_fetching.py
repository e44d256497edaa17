"""The wrapper as it fetches a bundle from an address, and tells the server: against real servers that misbehave."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pilot.contract.exit_codes import ExitCode
from tests.kits.wrapper import HEARING, KNOWN, PATH, Place, shell_of

pytestmark = pytest.mark.one_python

HASTE = {"COMPASS_FETCH_PAUSE": "0", "COMPASS_REPORT_TIME": "30"}
#: Seconds within which something has to come; also on a busy machine.
PATIENT = {"COMPASS_FETCH_PATIENCE": "3"}
WORKER = {"HARVESTER_ID": "H1", "HARVESTER_WORKER_ID": "7"}


class Web(ThreadingHTTPServer):
    """Answers each request by the next of ``ways``, the last one for ever, and keeps what was asked."""

    daemon_threads = True

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.ways, self.asked = content, ["whole"], []
        self.heard, self.came, self.go_on = threading.Event(), threading.Event(), threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """Those who call hang up."""


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        server.asked.append((self.path, self.headers.get("Range")))
        way = server.ways.pop(0) if len(server.ways) > 1 else server.ways[0]
        getattr(self, way)(server.content)

    def do_POST(self):
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, said, self.headers.get("Authorization")))
        self.server.came.set()
        if self.server.ways == ["hang"]:
            self.server.go_on.wait(30)
        self.whole(b"{}")

    def begin(self, status, length, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(length), **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def whole(self, content):
        asked = self.headers.get("Range")
        first = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        rest, total = content[first:], len(content)
        more = {"Content-Range": f"bytes {first}-{total - 1}/{total}"} if asked else {}
        self.begin(206 if asked else 200, len(rest), **more)
        self.wfile.write(rest)

    def breaks(self, content):
        self.begin(200, len(content))
        self.wfile.write(content[: len(content) // 2])
        self.close_connection = True

    def drips(self, content):
        self.begin(200, len(content))
        self.wfile.write(content[:1])
        self.wfile.flush()
        for _ in range(60):  # a second of nothing is enough
            if self.server.go_on.wait(0.5):
                return
            self.wfile.write(b"x")

    def moved(self, content):
        self.begin(302, 0, Location="/elsewhere")

    def round_and_round(self, content):
        self.begin(302, 0, Location=self.path)

    def to_a_file(self, content):
        self.begin(302, 0, Location="file:///etc/passwd")

    def refuses(self, content):
        self.begin(404, 0)

    def busy(self, content):
        self.begin(503, 0)

    def page(self, content):
        self.begin(200, 6)
        self.wfile.write(b"<html>")

    def hang(self, content):
        self.server.heard.set()
        if not self.server.go_on.wait(30):
            self.server.asked.append("nobody hung up")


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path, ("/bin/sh",))


@pytest.fixture
def web(place):
    server = Web(place.bundle.read_bytes())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server
    server.go_on.set()
    server.shutdown()
    server.server_close()
    thread.join(30)


@pytest.fixture(params=["curl", "python", "wget"])
def fetching(request, place):
    """Answer the environment of a node that has one of the three; with wget, a Python without TLS."""
    folder = place.root / "tools"
    folder.mkdir()
    names = ["mktemp", "rm", "mv", "sleep", "mkdir", "uname", *({"curl", "wget"} & {request.param})]
    for name in names:
        if shutil.which(name) is None:
            pytest.skip(f"not tested, missing here: {name}")
        (folder / name).symlink_to(shutil.which(name))
    python = folder / "python3"
    if request.param == "wget":
        python.write_text(
            "#!/bin/sh\n"
            'case "$*" in *sys.executable*) echo "$0"; exit ;; *urllib.request*) exit 3 ;; esac\n'
            f'exec {sys.executable} "$@"\n'
        )
        python.chmod(0o755)
    else:
        python.symlink_to(sys.executable)
    return {"PATH": str(folder), "HOME": str(place.root), **HASTE}


def usual(place, **more):
    return place.environment(**HASTE, **more)


def fetch(place, web, environment, *words, **changes):
    url = f"{web.url}/pilot.pyz"
    return place.run(*(words or ("status", "5")), bundle=url, python=None, environment=environment, **changes)


def test_a_bundle_is_fetched_and_run(place, web, fetching):
    done = fetch(place, web, fetching)
    assert (done.returncode, done.stderr) == (5, "")
    assert list(place.scratch.iterdir()) == []


def test_what_breaks_off_is_gone_on_with(place, web, fetching):
    web.ways = ["breaks", "whole"]
    assert fetch(place, web, fetching).returncode == 5
    assert [asked for _, asked in web.asked] == [None, f"bytes={len(web.content) // 2}-"]


def test_another_place_is_gone_to(place, web, fetching):
    web.ways = ["moved", "whole"]
    assert fetch(place, web, fetching).returncode == 5
    assert [path for path, _ in web.asked] == ["/pilot.pyz", "/elsewhere"]


def test_what_drips_is_given_up_and_tried_again(place, web):
    web.ways = ["drips", "refuses", "whole"]
    assert fetch(place, web, usual(place, **PATIENT)).returncode == 5
    assert len(web.asked) >= 3


def test_what_drips_is_given_up_by_python_too(place, web, fetching):
    if (place.root / "tools" / "curl").exists() or (place.root / "tools" / "wget").exists():
        return
    web.ways = ["drips", "whole"]
    assert fetch(place, web, {**fetching, **PATIENT}).returncode == 5
    assert len(web.asked) >= 3  # what had dripped was not the bundle's beginning


@pytest.mark.parametrize("way", ["refuses", "busy", "round_and_round", "to_a_file", "page"])
def test_what_is_no_bundle_is_tried_four_times_and_never_run(place, web, way):
    web.ways = [way]
    done = fetch(place, web, usual(place))
    status = ExitCode.BAD_BUNDLE if way == "page" else ExitCode.COMMUNICATION
    assert done.returncode == status, done.stderr
    line = done.stderr.splitlines()[-1]
    assert f"{web.url}/pilot.pyz" in line
    assert ("BAD_BUNDLE (1914)" if way == "page" else "COMMUNICATION_FAILURE (1318)") in line
    assert len({path for path, _ in web.asked}) == 1
    assert list(place.scratch.iterdir()) == []


def test_a_bundle_that_was_changed_on_its_way_is_fetched_anew_and_refused(place, web, fetching):
    web.content = web.content[:-1] + b"!"
    done = fetch(place, web, fetching, "say")
    assert (done.returncode, done.stdout) == (ExitCode.BAD_BUNDLE, "")
    assert f"and not {place.sha256}" in done.stderr
    assert [asked for _, asked in web.asked] == [None] * 4


def test_nobody_who_listens_is_a_matter_of_communication(place, web):
    url = web.url
    web.shutdown()
    web.server_close()
    done = place.run("status", "0", bundle=f"{url}/p", environment=usual(place))
    assert done.returncode == ExitCode.COMMUNICATION


def test_a_proxy_in_between_is_respected(place, web, fetching):
    environment = {**fetching, "http_proxy": web.url}
    done = place.run("status", "5", bundle="http://bundles.test/pilot.pyz", python=None, environment=environment)
    assert done.returncode == 5, done.stderr
    assert web.asked[0][0] == "http://bundles.test/pilot.pyz"


def test_with_a_cache_a_bundle_is_fetched_once(place, web):
    for _ in range(2):
        assert fetch(place, web, usual(place), cache="cache").returncode == 5
    assert len(web.asked) == 1
    assert [path.name for path in (place.root / "cache").iterdir()] == [place.sha256]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_it_is_fetched_ends_all_at_once(place, web, fetching, number):
    web.ways = ["hang"]
    argv = [sys.executable, "-c", HEARING, *place.argv("status", "0", bundle=f"{web.url}/pilot.pyz", python=None)]
    with subprocess.Popen(argv, env=fetching, cwd=place.root, stderr=subprocess.PIPE, text=True) as wrapper:
        assert web.heard.wait(30)
        wrapper.send_signal(number)
        said = wrapper.stderr.read()  # to its end: nothing that was started holds it any longer
        assert wrapper.wait(30) == 128 + number
    assert f"signal {int(number)} came before the pilot was started (exit status {128 + number})" in said
    assert len(web.asked) == 1
    assert list(place.scratch.iterdir()) == []


# What is told to the server


def reports(web):
    return [(said["status"], said) for path, said, _ in web.asked if path == "/api/v1/pilot/update_worker_status"]


def told(web, place, *words, **more):
    (place.root / "token").write_text("cpp_1.a/b-c")
    server = {"COMPASS_PILOT__SERVER__URL": f"{web.url}/", "COMPASS_PILOT__SERVER__TOKEN_FILE": "token"}
    return server | more


def test_the_server_is_told_that_a_worker_begins_and_that_its_pilot_died(place, web, fetching):
    done = place.run("kill", "9", environment={**fetching, **told(web, place, **WORKER)})
    assert done.returncode == 137
    if (place.root / "tools" / "wget").exists():
        return  # that Python tells nobody anything
    while len(web.asked) < 2:  # that it begins is told beside it, and may come later
        assert web.came.wait(30)
        web.came.clear()
    found = reports(web)
    assert sorted(word for word, _ in found) == ["finished", "started"]
    assert {(said["worker_id"], said["harvester_id"]) for _, said in found} == {(7, "H1")}
    assert {authorization for *_, authorization in web.asked} == {"Bearer cpp_1.a/b-c"}


def test_a_pilot_of_the_servers_own_factory_is_told_of_by_its_id(place, web):
    more = told(web, place, COMPASS_BATCH_ID="7.3@schedd#1/x")
    assert place.run("say", bundle="/nowhere", environment=usual(place, **more)).returncode == ExitCode.BAD_BUNDLE
    assert {said["batch_id"] for _, said in reports(web)} == {"7.3@schedd#1/x"}


@pytest.mark.parametrize(
    "changes",
    [
        {"COMPASS_REPORT": "no"},
        {"HARVESTER_WORKER_ID": "seven"},
        {"HARVESTER_ID": 'H1", "status": "x'},
        {"COMPASS_PILOT__SERVER__URL": "file:///etc/passwd"},
        {"HARVESTER_ID": ""},
    ],
)
def test_nothing_is_told_where_nothing_can_be_said_or_nobody_asked(place, web, changes):
    environment = usual(place, **told(web, place, **WORKER)) | changes
    assert place.run("kill", "9", environment=environment).returncode == 137
    assert web.asked == []


def test_a_pilot_that_ended_by_itself_is_not_told_of_again(place, web):
    assert place.run("status", "3", environment=usual(place, **told(web, place, **WORKER))).returncode == 3
    assert "finished" not in [word for word, _ in reports(web)]


def test_a_server_that_hangs_neither_delays_a_pilot_nor_changes_its_status(place, web):
    web.ways = ["hang"]
    environment = usual(place, **told(web, place, **WORKER)) | {"COMPASS_REPORT_TIME": "1"}
    assert place.run("status", "3", environment=environment).returncode == 3
    assert place.run("kill", "9", environment=environment).returncode == 137
    assert not web.go_on.is_set()


@pytest.mark.parametrize("shell", KNOWN, ids=lambda shell: shell[0])
def test_no_secret_is_on_a_command_line(place, web, shell):
    place.shell = shell_of(shell)
    folder = place.root / "tools"
    folder.mkdir()
    for name in ("curl", "printf", "cat", "uname"):
        spy = folder / name
        spy.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>"{place.root}/words"\nexec {shutil.which(name)} "$@"\n')
        spy.chmod(0o755)
    environment = usual(place, **told(web, place, **WORKER)) | {"PATH": f"{folder}:{PATH}"}
    assert place.run("kill", "9", environment=environment).returncode == 137
    assert "cpp_1" not in (place.root / "words").read_text()
    assert "Bearer cpp_1.a/b-c" in {authorization for *_, authorization in web.asked}
