from __future__ import annotations

import pytest

from pilot.contract.queue import QueueData
from pilot.errors import ConfigError
from pilot.job import LogStream
from pilot.realtime.choice import choose, of_job
from pilot.settings.realtime import Realtime

LOGS, OWN, THEIRS = "logstash;tls://logs:5000", "loki;https://own:443/push", "fluent;tls://theirs:24224"


def choice(settings=None, catchall="", asked=None, debug=False):
    wish = choose(settings or Realtime(), QueueData("Q", catchall=catchall), asked, debug=debug)
    return None if wish is None else (str(wish.address), wish.files)


def test_nothing_is_sent_unless_somebody_asks_for_it():
    assert choice() is None
    assert choice(Realtime(server=LOGS)) is None
    assert choice(Realtime(use=True)) is None
    assert choice(catchall="loggingfile=run.log") is None


@pytest.mark.parametrize(
    ("settings", "catchall", "asked", "debug", "server"),
    [
        (Realtime(use=True, server=LOGS), "", None, False, LOGS),
        (Realtime(server=LOGS), "", None, True, LOGS),
        (Realtime(server=LOGS, debug=False), "", None, True, None),
        (Realtime(), f"logging={THEIRS}", None, False, THEIRS),
        (Realtime(use=True, server=LOGS), f"logging={THEIRS}", None, False, THEIRS),
        (Realtime(server=LOGS), f"logging={THEIRS}", LogStream(OWN), False, OWN),
        (Realtime(server=LOGS), "", LogStream(), False, LOGS),
    ],
)
def test_settings_queue_plugin_and_debug_mode_ask_for_it(settings, catchall, asked, debug, server):
    found = choice(settings, catchall, asked, debug)
    assert found == (None if server is None else (server, ("payload.stdout",)))


def test_a_plugins_files_count_more_than_the_queues_and_those_more_than_the_settings():
    settings = Realtime(use=True, server=LOGS, files=("payload.stdout", "payload.stderr"))
    assert choice(settings)[1] == ("payload.stdout", "payload.stderr")
    assert choice(settings, "loggingfile=run.log|run.log")[1] == ("run.log",)
    assert choice(settings, "loggingfile=run.log", LogStream(files=("own.log",)))[1] == ("own.log",)


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret", "a/../../b", " "])
def test_only_files_in_the_jobs_directory_are_sent(name):
    with pytest.raises(ConfigError, match="a file in the job's directory is expected"):
        choice(Realtime(use=True, server=LOGS, files=(name,)))


def test_only_the_settings_may_name_a_file_of_the_node():
    assert choice(Realtime(use=True, server="file;file:///x"))[0] == "file;file:///x"
    with pytest.raises(ConfigError, match="queue Q: catchall: logging: .* only the settings may name a file"):
        choice(catchall="logging=file;file:///x")


def test_a_login_comes_with_a_job_for_a_type_of_service():
    secrets = {"logstash_login": "pilot", "logstash_password": "sesame"}
    assert of_job(secrets, "logstash") == ("pilot", "sesame")
    assert of_job(secrets, "loki") is None
