from __future__ import annotations

from types import SimpleNamespace

import pytest

from pilot import plugins
from pilot.contract.job import JobSpec
from pilot.contract.queue import QueueData
from pilot.control import realtime
from pilot.control.component import END
from pilot.control.job_secrets import JobSecrets
from pilot.control.news import Follow, Site
from pilot.control.side_lanes import Followers, broker_lanes, called_limits
from pilot.errors import ConfigError
from pilot.hookspecs import hookimpl
from pilot.job import Job, Phase
from pilot.settings import load

PLAIN, LOGGING = Site(QueueData("Q")), Site(QueueData("Q", catchall="logging=loki;https://logs"))


class Bench:
    def __init__(self, folder, **settings):
        loaded = load([("test", settings)]).settings
        self.plugins = plugins.load("generic")
        self.parts = SimpleNamespace(settings=loaded, plugins=self.plugins, own=folder, secrets=tuple)
        self.begun = []
        self.followers = Followers(self.parts, JobSecrets(), self.begun.append)

    def follow(self, site=PLAIN):
        self.followers.put(Follow(Job(JobSpec(id=7, attempt=1, transformation="x"), phase=Phase.RUNNING), site))

    def close(self):
        for lane in self.begun:
            lane.inbox.put(END)
            while lane.take() is not END:
                pass


def test_nobody_follows_what_nobody_asked_for(tmp_path):
    bench = Bench(tmp_path)
    bench.follow()
    assert bench.begun == []


@pytest.mark.parametrize("who", ["settings", "queue", "plugin"])
def test_one_lane_is_begun_when_somebody_may_ask_for_it(tmp_path, who):
    class Asking:
        @hookimpl
        def realtime_logging(self):
            return None

    bench = Bench(tmp_path, **({"realtime": {"server": "loki;https://logs"}} if who == "settings" else {}))
    if who == "plugin":
        bench.plugins.register(Asking())
    for _ in range(2):
        bench.follow(LOGGING if who == "queue" else PLAIN)
    (lane,) = bench.begun
    assert (lane.name, lane.inbox.qsize()) == ("realtime", 2)
    bench.follow()  # once it is there it hears of every job: it may have to let one go
    assert lane.inbox.qsize() == 3
    bench.close()


def test_a_pilot_without_descriptors_for_it_works_on_and_says_so_once(tmp_path, monkeypatch, caplog):
    def none_left(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(realtime, "Waking", none_left)
    bench = Bench(tmp_path)
    bench.follow(LOGGING)
    bench.follow(LOGGING)
    assert bench.begun == []
    assert caplog.text.count("real-time logging is not possible") == 1


def test_the_broker_is_listened_to_where_that_is_set(tmp_path):
    subscribed = {"broker": {"subscribe": True, "url": "stomps://mb", "ask_every": 300, "idle": 3000}}
    for settings, lanes, limits in (({}, [], (0.0, 0)), (subscribed, ["broker"], (300.0, 11))):
        parts = Bench(tmp_path, **settings).parts
        assert [lane.name for lane in broker_lanes(parts, JobSecrets(), print)] == lanes
        assert called_limits(parts.settings) == limits


def test_a_broker_without_an_address_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"broker\.url: '' is no address"):
        broker_lanes(Bench(tmp_path, broker={"subscribe": True}).parts, JobSecrets(), print)


def test_the_brokers_password_is_a_secret(tmp_path):
    login, secrets = tmp_path / "login", JobSecrets()
    login.touch(mode=0o600)
    login.write_text("pilot\nsesame\n")
    chosen = {"subscribe": True, "url": "stomps://mb", "credentials_file": str(login)}
    broker_lanes(Bench(tmp_path, broker=chosen).parts, secrets, print)
    assert secrets.seen() == ("sesame",)
