"""HTCondor as a batch system, against a real pool."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from server.batch.base import BatchFailed, BatchMisconfigured, BatchState, Needs, Template
from server.batch.htcondor import HTCondorBatch
from server.batch.place import Place
from tests.kits.batch import ENVIRONMENT, BatchSystemKit, script, waiting
from tests.services import htcondor

pytestmark = pytest.mark.one_python

#: More than this at a time the schedd takes of nobody.
MOST = 40
#: The process apart, which dies when it has, or before it has, sent what it had to send.
DIES = """
import json, os, sys
import htcondor2
from server.batch import htcondor_apart
real = htcondor2.Schedd.submit
def dies(*given, **named):
    if sys.argv[1] == "after":
        real(*given, **named)
    os.kill(os.getpid(), 9)
htcondor2.Schedd.submit = dies
list(htcondor_apart.submit(**json.loads(sys.argv[2])))
"""
#: The same, and says when it begins.
SENDS = """
import json, sys
import htcondor2
from server.batch import htcondor_apart
print("begins", flush=True)
list(htcondor_apart.submit(**json.loads(sys.argv[1])))
"""


@pytest.fixture(scope="session")
def pool():
    """A real pool of one machine."""
    with htcondor.running(f"MAX_JOBS_PER_OWNER = {MOST}\n") as one:
        yield one


@pytest.fixture(scope="session")
def configuration(pool):
    """Whose jobs the tests submit: the pool's user, by a token."""
    return pool.client("server")


def open_htcondor(configuration, folder, **options):
    return HTCondorBatch.open(Place(folder.name, folder / "batch", {"config": str(configuration), **options}))


@pytest.fixture(scope="module")
def opened(configuration, tmp_path_factory):
    """One for all: its process apart takes its time to come up."""
    return open_htcondor(configuration, tmp_path_factory.mktemp("htcondor"))


def asked_of_the_child(system, monkeypatch, key, count=2):
    """Lay out a submission as `submit` does; answer what the process apart is asked, without asking it."""
    asked = {}

    def remember(function, arguments, *, patience):
        asked.update(arguments)
        raise BatchFailed("the server was ended here")

    with monkeypatch.context() as patch:
        patch.setattr(system._apart, "ask", remember)
        with pytest.raises(BatchFailed, match="ended here"):
            system.submit(Template(key, script("pass"), ENVIRONMENT), count)
    return asked


class TestHTCondor(BatchSystemKit):
    patience = 60.0

    @pytest.fixture
    def system(self, opened, pool):
        self.pool = pool
        return opened

    def starts(self, system, tmp_path, key="long", **more):
        """Submit a job that goes on; wait until it runs."""
        ready = tmp_path / f"{key}.ready"
        ids = self.submit(system, key, script(waiting(ready, tmp_path / "never", 0)), **more)
        self.wait(system, ids, lambda found: ready.exists())
        return ids

    def restart(self, system):
        self.pool.kill_schedd()

    def test_a_number_of_the_schedds_under_another_key_is_somebody_elses(self, system):
        (ended,) = self.submit(system, "own", script("pass"))
        self.wait_for(system, [ended], BatchState.DONE)
        other = f"other/{ended.partition('/')[2]}"
        assert "neither the queue of the schedd nor its records" in system.status([other])[other].words

    def test_a_queue_that_is_full_refuses_in_the_schedds_words_and_takes_none(self, system):
        with pytest.raises(BatchFailed, match="may have no more .MAX_JOBS_PER_OWNER there."):
            self.submit(system, "many", script("pass"), count=MOST + 1)
        assert system.find("many") == {}
        assert len(self.submit(system, "few", script("pass"), count=2)) == 2

    def dies(self, configuration, when, asked):
        words = [sys.executable, "-c", DIES, when, json.dumps(asked)]
        environment = {**os.environ, "CONDOR_CONFIG": str(configuration), "PYTHONPATH": os.pathsep.join(sys.path)}
        assert subprocess.run(words, env=environment, timeout=60).returncode == -9

    def test_what_was_submitted_before_the_submitter_died_is_found_and_never_submitted_again(
        self, configuration, system, monkeypatch
    ):
        asked = asked_of_the_child(system, monkeypatch, "dies")
        self.dies(configuration, "after", asked)
        found = system.find("dies")
        self._ids += found.values()
        assert list(found) == [0, 1]
        with pytest.raises(BatchFailed, match="of that key exists"):
            list(system._apart.ask("submit", asked, patience=60.0))
        with pytest.raises(BatchFailed, match="of that key exists"):
            system.submit(Template("dies", script("pass"), ENVIRONMENT), 2)
        assert system.find("dies") == found
        self.wait_for(system, found.values(), BatchState.DONE)
        (Path(asked["home"]) / "submission.json").touch()  # without its text, as a power failure may leave it
        assert system.find("dies") == found  # from the schedd's records, now

    def test_what_was_not_submitted_before_the_submitter_died_never_is(self, configuration, system, monkeypatch):
        asked = asked_of_the_child(system, monkeypatch, "early")
        self.dies(configuration, "before", asked)
        assert system.find("early") == {}
        with pytest.raises(BatchFailed, match="given up before it began"):
            list(system._apart.ask("submit", asked, patience=60.0))
        assert system.find("early") == {}

    def test_a_submission_that_is_under_way_is_not_judged(self, system, monkeypatch):
        asked = asked_of_the_child(system, monkeypatch, "under-way")
        with (Path(asked["home"]) / "lock").open() as door:
            fcntl.flock(door, fcntl.LOCK_EX)
            with pytest.raises(BatchFailed, match="being submitted at this moment"):
                system.find("under-way")
        assert system.find("under-way") == {}

    def test_a_job_on_hold_says_why_and_is_cancelled_like_others(self, system):
        ids = self.submit(system, "held", script("import sys; sys.exit(76)"), options={"hold_on": "76, 94"})
        (job,) = self.wait_for(system, ids, BatchState.HELD).values()
        assert "its exit status is among those of hold_on" in job.words
        system.cancel(ids)
        (job,) = self.wait_for(system, ids, BatchState.DONE).values()
        assert "cancelled by the server" in job.words

    def test_what_waits_is_cancelled_before_it_starts(self, system):
        ids = self.submit(system, "waits", script("pass"), options={"requirements": 'Machine == "nowhere$"'})
        assert system.status(ids)[ids[0]].state is BatchState.QUEUED
        system.cancel(ids)
        (job,) = self.wait_for(system, ids, BatchState.DONE).values()
        assert (job.exit_status, job.started) == (None, None)
        assert not (system.directory(ids[0]) / "stdout").exists()

    def test_needs_options_and_odd_words_come_to_the_job_as_they_are(self, pool, system):
        options = {
            "rank": "Memory",
            "attributes": {"queue": 'long "x"', "nominal": "7", "wanted": "true"},
            "priority": 3,
        }
        needs = Needs(cores=2, memory=100 * 2**20, disk=2**20 + 1, wall_time=3600.0)
        odd = 'it\'s "odd" $HOME \\ $(ClusterId)'
        ids = self.submit(
            system, "needs", (*script("import sys; print(sys.argv[1])"), odd), needs=needs, options=options
        )
        self.wait_for(system, ids, BatchState.DONE)
        assert (system.directory(ids[0]) / "stdout").read_text() == odd + "\n"
        number = ids[0].partition("/")[2]
        names = ("RequestCpus", "RequestMemory", "RequestDisk", "MaxRuntime", "queue", "nominal", "wanted", "JobPrio")
        said = [pool.attribute(number, name) for name in names]
        assert said == ["2", "100", "1025", "3600", 'long "x"', "7", "true", "3"]

    def test_spooled_files_go_to_the_schedd_and_come_back_from_it(self, configuration, system, tmp_path):
        remote = open_htcondor(configuration, tmp_path, spool=True, schedd="schedd@pool.test")
        (tmp_path / "token").write_text("abc")
        reads = script("import sys; print(open('the-token').read()); sys.exit(4)")
        ids = self.submit(remote, "spooled", reads, count=2, files={"the-token": tmp_path / "token"})
        found = self.wait_for(remote, ids, BatchState.DONE)
        assert [job.exit_status for job in found.values()] == [4, 4]
        assert not (remote.directory(ids[0]) / "stdout").exists()
        assert remote.history(ids) == found
        assert remote.collect(ids) == 2
        assert [(remote.directory(job) / "stdout").read_text() for job in ids] == ["abc\n", "abc\n"]
        assert remote.collect(ids) == 0
        remote.forget(ids)
        assert not remote.directory(ids[0]).parent.exists()

    def test_files_that_the_schedd_does_not_get_are_told_and_no_job_of_theirs_stays(self, configuration, tmp_path):
        remote = open_htcondor(configuration, tmp_path, spool=True, schedd="schedd@pool.test")
        missing = Template("missing", script("pass"), ENVIRONMENT, files={"x": tmp_path / "no-such-file"})
        with pytest.raises(BatchFailed, match="no-such-file|files/x|did not take"):
            remote.submit(missing, 2)
        left = remote.find("missing").values()
        assert all(job.state is BatchState.DONE for job in self.wait_for(remote, left, BatchState.DONE).values())

    @pytest.mark.programs("openssl")
    def test_a_proxy_goes_with_its_jobs_which_alone_can_read_it_and_nothing_else_comes_back(
        self, configuration, tmp_path, system
    ):
        parts = [str(tmp_path / name) for name in ("key", "certificate")]
        made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/DC=test/CN=user"]
        subprocess.run([*made, "-keyout", parts[0], "-out", parts[1]], check=True, capture_output=True, timeout=60)
        (tmp_path / "proxy").touch(0o600)
        (tmp_path / "proxy").write_text("".join(Path(part).read_text() for part in reversed(parts)))
        tokens = str(configuration.parent / "tokens")
        grid = open_htcondor(configuration, tmp_path, proxy=str(tmp_path / "proxy"), token_directory=tokens)
        reads = "import os\nfound = os.environ['X509_USER_PROXY']\nopen('left', 'w').close()\n"
        ids = self.submit(grid, "proxy", script(f"{reads}print(open(found).read(11), oct(os.stat(found).st_mode))"))
        self.wait_for(grid, ids, BatchState.DONE)
        assert (grid.directory(ids[0]) / "stdout").read_text() == "-----BEGIN  0o100600\n"
        assert sorted(path.name for path in grid.directory(ids[0]).iterdir()) == ["stderr", "stdout"]

    def test_files_are_forgotten_job_by_job_and_what_goes_on_keeps_its_own(self, system, tmp_path):
        ended = self.submit(system, "short", script("pass"), count=2)
        lives = self.starts(system, tmp_path)
        self.wait_for(system, ended, BatchState.DONE)
        system.forget([ended[0], *lives, "no-id"])
        assert [system.directory(job).exists() for job in (*ended, *lives)] == [False, True, True]
        system.forget(ended)
        assert not system.directory(ended[0]).parent.exists()

    def test_two_systems_with_different_tokens_live_side_by_side(self, pool, system, tmp_path):
        other = open_htcondor(pool.client("other", "other@pool.test"), tmp_path / "b")
        mine = self.submit(system, "one", script("pass"), options={"requirements": "false"})
        theirs = other.submit(Template("one", script("pass"), ENVIRONMENT, options={"requirements": "false"}), 1)
        assert [pool.attribute(job.partition("/")[2], "Owner") for job in (*mine, *theirs)] == [pool.user, "other"]
        assert other.status(mine)[mine[0]].state is BatchState.QUEUED  # it may look
        other.cancel([*mine, *theirs])
        self.wait_for(other, theirs, BatchState.DONE)
        assert system.status(mine)[mine[0]].state is BatchState.QUEUED  # but not act
        assert system.find("one") == {0: mine[0]}

    def test_a_token_of_another_pool_is_refused_in_words_that_say_so(self, pool, tmp_path):
        configuration = pool.client("stranger")
        (configuration.parent / "tokens" / "token").write_text(FOREIGN)
        stranger = open_htcondor(configuration, tmp_path, schedd="schedd@pool.test")
        with pytest.raises(BatchFailed, match="Failed to authenticate using IDTOKENS"):
            stranger.submit(Template("refused", script("pass"), ENVIRONMENT), 1)

    def test_a_pool_without_that_schedd_and_an_address_of_nobody_are_told(self, pool, configuration, tmp_path):
        with pytest.raises(BatchFailed, match="knows no schedd nobody@pool.test"):
            open_htcondor(configuration, tmp_path, schedd="nobody@pool.test").status(["a/1.0"])
        nowhere = open_htcondor(configuration, tmp_path, pool="127.0.0.1:1", schedd="schedd@pool.test")
        with pytest.raises(BatchFailed, match="Connection refused"):
            nowhere.status(["a/1.0"])

    def test_options_that_would_add_lines_are_refused_and_nothing_is_submitted(self, system):
        for options in ({"rank": "1\nqueue 100"}, {"attributes": {"a = 1\nqueue": "1"}}, {"requirements": "true\\"}):
            with pytest.raises(BatchMisconfigured, match="rank|attributes|requirements"):
                system.submit(Template("lines", script("pass"), ENVIRONMENT, options=options), 1)
        assert system.find("lines") == {}

    def test_an_expression_that_is_none_is_refused(self, system):
        with pytest.raises(BatchMisconfigured, match="job options.requirements: '..' is no expression"):
            system.submit(Template("none", script("pass"), ENVIRONMENT, options={"requirements": "(("}), 1)
        assert system.find("none") == {}


def answers_with(system, ids, state):
    """Answer whether the system answers, and all are so."""

    def look():
        try:
            return all(job.state is state for job in system.status(ids).values())
        except BatchFailed:
            return False

    return look


#: Signed with the key of no pool of ours; its words say that it is of ours.
FOREIGN = (
    "eyJhbGciOiJIUzI1NiIsImtpZCI6IlBPT0wifQ."
    "eyJpYXQiOjE3OTUzNzI0NTQsImlzcyI6InBvb2wudGVzdCIsImp0aSI6IjAwIiwic3ViIjoibm9ib2R5QHBvb2wudGVzdCJ9."
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
)


@pytest.fixture
def fresh(tmp_path):
    """A pool of its own for one test, and its system."""
    with htcondor.running() as one:
        yield one, open_htcondor(one.client("server"), tmp_path)


def ends(pool, system, ids):
    """Wait until jobs have ended; answer how."""
    pool.wait(answers_with(system, ids, BatchState.DONE), "they do not end")
    return system.status(ids)


@pytest.mark.campaign
def test_a_whole_node_is_nobody_elses(fresh):
    pool, system = fresh
    reads = script("import os; print(open(os.environ['_CONDOR_MACHINE_AD']).read())")
    ids = system.submit(Template("whole", reads, ENVIRONMENT, needs=Needs(cores=2, whole_nodes=True)), 1)
    ends(pool, system, ids)
    assert "\nCpus = 8\n" in (system.directory(ids[0]) / "stdout").read_text()


@pytest.mark.campaign
def test_whenever_the_submitter_is_killed_all_of_a_submission_is_there_or_none_ever_is(fresh, monkeypatch):
    _, system = fresh
    taken = set()
    for number, seconds in enumerate([*(0.01 * each for each in range(23)), 30.0]):
        key = f"killed{number}"
        asked = asked_of_the_child(system, monkeypatch, key, 200)
        words = [sys.executable, "-c", SENDS, json.dumps(asked)]
        environment = {**os.environ, **system._options.environment, "PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE) as child:
            assert child.stdout.readline() == b"begins\n"
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(seconds)
            child.kill()
        found = system.find(key)
        assert list(found) in ([], list(range(200)))
        assert system.find(key) == found
        taken.add(bool(found))
        system.cancel(found.values())
    assert taken == {True, False}


@pytest.mark.campaign
def test_jobs_are_routed_by_our_schedd_to_another_one_and_come_back(fresh, tmp_path):
    pool, system = fresh
    (tmp_path / "token").write_text("abc")
    routed = {"grid_resource": f"condor schedd@pool.test 127.0.0.1:{pool.port}", "attributes": {"queue": "long"}}
    reads = script("import os, sys; print(open('the-token').read(), os.environ['COMPASS_BATCH_ID']); sys.exit(5)")
    asked = Template("routed", reads, ENVIRONMENT, files={"the-token": tmp_path / "token"}, options=routed)
    ids = system.submit(asked, 1)
    (job,) = ends(pool, system, ids).values()
    assert job.exit_status == 5
    assert (system.directory(ids[0]) / "stdout").read_text() == f"abc {ids[0]}\n"
    assert system.find("routed") == {0: ids[0]}


def running(pool, system, tmp_path, key, grace):
    """Submit a job that does not end, however it is asked to, and wait until it runs."""
    ready = tmp_path / f"{key}.ready"
    text = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{waiting(ready, tmp_path / 'never', 0)}"
    ids = system.submit(Template(key, script(text), ENVIRONMENT, grace), 1)
    pool.wait(ready.exists, f"{key} does not begin")
    return ids


@pytest.mark.campaign
def test_a_job_that_its_node_was_taken_from_is_not_begun_a_second_time(fresh, tmp_path):
    pool, system = fresh
    ids = running(pool, system, tmp_path, "taken", 2.0)
    pool.run("condor_vacate_job", ids[0].partition("/")[2])
    (job,) = ends(pool, system, ids).values()
    assert "PeriodicRemove" in job.words
    assert pool.attribute(ids[0].partition("/")[2], "NumJobStarts") == "1"


@pytest.mark.campaign
def test_a_schedd_that_looks_after_its_jobs_only_now_and_then_does_not_begin_one_a_second_time_either(tmp_path):
    with htcondor.running("PERIODIC_EXPR_INTERVAL = 3600\n") as pool:
        system = open_htcondor(pool.client("server"), tmp_path)
        (taken,) = running(pool, system, tmp_path, "taken", 2.0)
        number = taken.partition("/")[2]
        pool.run("condor_vacate_job", number)
        pool.wait(answers_with(system, [taken], BatchState.QUEUED), "its node is not taken from it")
        later = system.submit(Template("later", script("pass"), ENVIRONMENT), 1)
        ends(pool, system, later)
        assert system.status([taken])[taken].state is BatchState.QUEUED
        assert pool.attribute(number, "NumJobStarts") == "1"


@pytest.mark.campaign
def test_a_job_that_the_schedd_cannot_end_is_forgotten_by_it_when_its_time_is_over(fresh, tmp_path):
    pool, _ = fresh
    system = open_htcondor(pool.folder / "clients" / "server" / "condor_config", tmp_path / "force", force_after=0.5)
    ids = running(pool, system, tmp_path, "stuck", 2.0)
    (shadow,) = pool.shadows()
    shadow.suspend()
    system.cancel(ids)
    assert system.status(ids)[ids[0]].words == "being removed"

    def gone():
        system.cancel(ids)
        return system.status(ids)[ids[0]].state is BatchState.DONE

    pool.wait(gone, "it stays")
    with contextlib.suppress(psutil.NoSuchProcess):
        shadow.kill()
