import subprocess
import sys

from client.local.processes import Identity

SLEEP = [sys.executable, "-c", "import signal; signal.pause()"]
DEAF = [
    sys.executable,
    "-c",
    "import signal; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); signal.pause()",
]


def test_a_process_is_found_again_until_it_has_ended():
    with subprocess.Popen(SLEEP) as process:
        identity = Identity.of(process.pid)
        assert identity.process() is not None
        assert identity.end(grace=10)
        assert identity.process() is None


def test_a_number_that_is_somebody_elses_now_is_not_the_process():
    with subprocess.Popen(SLEEP) as process:
        stranger = Identity(process.pid, Identity.of(process.pid).started - 100)
        assert stranger.process() is None
        assert stranger.end(grace=0.1)
        assert process.poll() is None
        process.kill()


def test_a_process_that_does_not_listen_is_killed_after_its_grace():
    with subprocess.Popen(DEAF, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"deaf\n"
        identity = Identity.of(process.pid)
        assert not identity.end(grace=0.1)
        assert identity.process() is None


def test_a_process_that_its_parent_takes_no_notice_of_has_ended_all_the_same():
    child = "import subprocess, sys; c = subprocess.Popen(['sleep', '60']); print(c.pid, flush=True); sys.stdin.read()"
    words = [sys.executable, "-c", child]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        grandchild = Identity.of(int(parent.stdout.readline()))
        assert not grandchild.gone(0)
        assert grandchild.end(20)
        assert grandchild.gone(0)
        parent.communicate()
