"""PanDA's pilot 3.7, as it comes from its makers, and our server: what jobs become, seen in the rows."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tarfile
import zlib
from pathlib import Path

import pytest

from tests.kits.tables import put_tables
from tests.server.manage.running import ROOT, Peer, Server, environment, free_port
from tests.services.panda_pilot import HOST, TRANSFORMS, Site, use_stock_pilot
from tests.whole.audit import Rows, wrongs
from tests.whole.local_system import PATIENCE, ticks

pytestmark = pytest.mark.one_python

QUEUE, STORAGE = "STOCK", "STOCK_DISK"
#: Makes a home and, as an admin does, two queues: for sites of ARC, and for those that have the storage as a folder.
DEFINE = """
import json, sys, django
django.setup()
from django.core.management import call_command
call_command("init")
from server.pandaconfig.logic import define_queue, define_storage
queue, storage, folder, params = sys.argv[1:5]
names = ["read_lan", "write_lan", "pr", "pw", "pl", "w", "r"]
place = {"endpoint": "file://localhost", "path": folder, "flavour": "FILE", "id": 1}
told = {"type": "DATADISK", "token": "DISK", "is_deterministic": True}
told["arprotocols"] = {name: [place] for name in names}
define_storage(storage, {"id": 1, "name": storage, "state": "ACTIVE", **told})
common = {
    **{"status": "online", "corecount": 1, "maxrss": 2000, "maxtime": 86400, "maxwdir": 3000, "timefloor": 0},
    **{"copytools": {"mv": {"setup": ""}}, "acopytools": {name: ["mv"] for name in [*names, "default"]}},
    **{"astorages": {name: [storage] for name in names}, "params": json.loads(params)},
}
define_queue({**common, "nickname": queue, "catchall": "mv_final_destination"})
define_queue({**common, "nickname": queue + "_ARC"})
"""
#: A release with a program, as COMPASS has them; what it exports says that it was set up.
PHAST = '#!/bin/sh\necho "$BEAM $*" > mine.root\necho End of Job\n'


class Stock:
    """A server whose queue has stock pilots, a release, and what is asked of both."""

    def __init__(self, folder: Path, bundle: Path) -> None:
        self.folder, self.home, self.storage = folder, folder / "home", folder / "storage"
        self.port = free_port()
        address = f"http://127.0.0.1:{self.port}/trf/pilot.pyz"
        params = {"internet_protocol_version": "IPv4"}
        params["stock_pilots"] = {"transform": f"{TRANSFORMS}/compass-job", "bundle": address}
        words = [sys.executable, "-c", DEFINE, QUEUE, STORAGE, str(self.storage), json.dumps(params)]
        told = environment(self.home, DJANGO_SETTINGS_MODULE="server.settings")
        put_tables(self.home)
        done = subprocess.run(words, env=told, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        program = folder / "soft" / "r1" / "phast" / "phast"
        program.parent.mkdir(parents=True)
        program.write_text(PHAST)
        program.chmod(0o755)
        (folder / "soft" / "r1" / "environment").write_text("BEAM=M2\n")
        self.server = Server(
            self.home, self.port, workers=1, COMPASS_SERVER_BUNDLE=str(bundle), COMPASS_SERVER_HOSTS=HOST
        )
        self.rows = Rows(self.home / "db.sqlite3")

    def call(self, verb, path, fields=None):
        peer = Peer(self.port, (self.home / "production.token").read_text().strip())
        answer = peer.call(verb, path, fields)
        peer.close()
        assert answer["success"], answer
        return answer["data"]

    def submit(self, name, *, queue=QUEUE, files=(), **more):
        entries = [
            {"dataset": "ds", "scope": "user.lab", "endpoint": STORAGE, "lfn": lfn, "type": kind, **said}
            for lfn, kind, said in (*files, (f"{name}.log.tgz", "log", {}))
        ]
        entry = {"computingSite": queue, "files": entries, "maxAttempt": 1, "prodSourceLabel": "managed", **more}
        return self.call("POST", "/api/v1/job/submit", {"jobs": [entry]})[0][0]

    def state(self, job):
        return self.rows.read("SELECT state FROM taskbuffer_job WHERE id = ?", job)[0][0]

    def states(self, job):
        """What the job was, one after the other."""
        return [move.after for move in self.rows.moves()[job] if move.before != move.after]

    def files(self, job):
        """What is registered of what it wrote: size, checksum, address, by name."""
        query = "SELECT lfn, size, checksum, url FROM taskbuffer_jobfile WHERE job_id = ? AND state = ? AND role <> ?"
        return {lfn: (size, checksum, url) for lfn, size, checksum, url in self.rows.read(query, job, "ready", "input")}

    def site(self, folder, queue=QUEUE):
        return Site(folder, self.port, (self.home / "pilot.token").read_text().strip(), queue)

    def wait_for(self, job, states, pilot, site):
        """Wait until a job is in one of some states."""
        for _ in ticks(PATIENCE):
            if (state := self.state(job)) in states:
                return state
            assert pilot.poll() is None, f"the pilot ended before: {site.said()[-6000:]}"
        raise AssertionError(f"the job is {self.state(job)}: {site.said()[-6000:]}")


@pytest.fixture(scope="module")
def pilot():
    return use_stock_pilot()


@pytest.fixture(scope="module")
def stock(pilot, bundle, tmp_path_factory):
    made = Stock(tmp_path_factory.mktemp("stock"), bundle)
    yield made
    made.server.end()


@pytest.fixture
def boxed(stock, pilot, tmp_path):
    """Start pilots, each in its box; whatever happens they are ended, by the process that holds the box."""
    started = []

    def start(queue=QUEUE, *, before=lambda site: None, **how):
        site = stock.site(tmp_path, queue)
        site.work.mkdir(parents=True)
        before(site)
        started.append(site.start(pilot, **how))
        return started[-1], site

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)


def stored(url):
    path = Path(url.removeprefix("file://localhost"))
    return path, path.stat().st_size, f"adler32:{zlib.adler32(path.read_bytes()):08x}"


def test_a_job_of_compass_runs_by_the_program_that_the_pilot_fetches(stock, boxed):
    job = stock.submit(
        "compass",
        **{"transformation": "phast", "processingType": "user-analysis", "jobParameters": ["--user", "7", "--", "a b"]},
        **{"homepackage": f"{stock.folder}/soft/", "AtlasRelease": "r1"},
        files=[("mine.root", "output", {})],
    )
    process, site = boxed()
    assert stock.wait_for(job, ("finished", "failed"), process, site) == "finished", site.said()[-6000:]
    states = stock.states(job)
    assert states[states.index("sent") :] == ["sent", "starting", "running", "finished"]
    files = stock.files(job)
    assert set(files) == {"mine.root", "compass.log.tgz"}
    for size, checksum, url in files.values():
        assert stored(url)[1:] == (size, checksum), url
    assert stored(files["mine.root"][2])[0].read_text() == "M2 -u7 a b\n", "set up, and with its own arguments"
    with tarfile.open(stored(files["compass.log.tgz"][2])[0]) as archive:
        names = {Path(name).name for name in archive.getnames()}
    assert {"compass-job.log.tgz", "payload.stdout", "pilotlog.txt"} <= names
    assert wrongs(stock.rows) == []
    assert stock.rows.read("SELECT pilot_id FROM taskbuffer_attempt WHERE job_id = ?", job)[0][0].endswith("3.7.0.36")


def errors(stock, job):
    """What the attempt's row says of a failure: the pilot's number, and the payload's exit status."""
    return stock.rows.read("SELECT pilot_error, exit_status FROM taskbuffer_attempt WHERE job_id = ?", job)[0]


@pytest.mark.campaign
def test_inputs_are_brought_and_outputs_taken_by_arc(stock, boxed):
    script = {"transformation": "/bin/sh", "jobParameters": ["-c", "cat in.txt in.txt > out.txt"]}
    files = [("in.txt", "input", {"fsize": 5}), ("out.txt", "output", {})]
    job = stock.submit("arc", queue=f"{QUEUE}_ARC", files=files, **script)
    process, site = boxed(f"{QUEUE}_ARC", before=lambda site: (site.work / "in.txt").write_text("muon\n"))
    assert stock.wait_for(job, ("finished", "failed"), process, site) == "finished", site.said()[-6000:]
    assert (site.work / "out.txt").read_text() == "muon\nmuon\n"
    named = dict(line.split() for line in (site.work / "output.list").read_text().splitlines())
    files = stock.files(job)
    assert set(named) == set(files) == {"out.txt", "arc.log.tgz"}
    for lfn, (size, checksum, url) in files.items():
        content = (site.work / lfn).read_bytes()
        assert (size, checksum) == (len(content), f"adler32:{zlib.adler32(content):08x}")
        assert named[lfn].startswith(f"{url}:checksumtype=adler32:checksumvalue=")
    assert wrongs(stock.rows) == []


@pytest.mark.campaign
def test_a_payload_that_fails_fails_its_job_with_its_status_and_its_log(stock, boxed):
    job = stock.submit("failing", transformation="/bin/sh", jobParameters=["-c", "echo no beam >&2; exit 7"])
    process, site = boxed()
    assert stock.wait_for(job, ("finished", "failed"), process, site) == "failed"
    assert errors(stock, job) == (1305, 7)
    assert stock.states(job)[-2:] == ["running", "failed"]
    ((lfn, (size, checksum, url)),) = stock.files(job).items()
    assert (lfn, stored(url)[1:]) == ("failing.log.tgz", (size, checksum))
    with tarfile.open(stored(url)[0]) as archive:
        (said,) = (name for name in archive.getnames() if name.endswith("payload.stderr"))
        assert b"no beam" in archive.extractfile(said).read()
    assert wrongs(stock.rows) == []


@pytest.mark.campaign
def test_a_job_that_is_killed_here_ends_there(stock, boxed):
    job = stock.submit("killed", transformation="/bin/sh", jobParameters=["-c", "exec sleep 600"])
    process, site = boxed(heartbeat=3)
    stock.wait_for(job, ("running",), process, site)
    stock.call("POST", "/api/v1/job/kill", {"job_ids": [job]})
    assert stock.wait_for(job, ("cancelled", "failed"), process, site) == "cancelled"
    assert any(errors(stock, job)[0] for _ in ticks(PATIENCE))
    assert errors(stock, job)[0] == 1144
    assert wrongs(stock.rows) == []
