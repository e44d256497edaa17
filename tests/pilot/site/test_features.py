from __future__ import annotations

import pytest

from pilot.site.features import REFRESH, Features, FeatureSource
from tests.pilot.dispatcher import serving


def write(folder, **values):
    folder.mkdir(exist_ok=True)
    for key, value in values.items():
        (folder / key).write_text(f"{value}\n")
    return str(folder)


def source(tmp_path, machine, job):
    return FeatureSource(
        {"MACHINEFEATURES": write(tmp_path / "machine", **machine), "JOBFEATURES": write(tmp_path / "job", **job)}
    )


def test_all_that_the_batch_system_says_is_read_from_folders(tmp_path):
    job = {"jobstart_secs": 1000, "wall_limit_secs": 500, "cpu_limit_secs": 4000, "max_rss_bytes": 2**31}
    found = source(tmp_path, {"shutdowntime": 1400}, job).read()
    assert found == Features(1400.0, 1000.0, 500.0, 4000.0, 2**31)
    assert found.end == 1400.0


@pytest.mark.parametrize(
    ("machine", "job", "end"),
    [
        ({}, {}, None),
        ({"shutdowntime": 1400}, {"shutdowntime_job": 1300}, 1300.0),
        ({"shutdowntime": 1600}, {"jobstart_secs": 1000, "wall_limit_secs": 500}, 1500.0),
        ({}, {"wall_limit_secs": 500}, None),
        ({"shutdowntime": 0}, {}, None),
        ({"shutdowntime": "soon"}, {"shutdowntime_job": ""}, None),
        ({"shutdowntime": "nan"}, {"shutdowntime_job": "-1", "max_rss_bytes": "inf"}, None),
        ({}, {"jobstart_secs": 0, "wall_limit_secs": 500, "max_rss_bytes": "nan"}, None),
    ],
)
def test_the_slot_ends_at_the_first_of_the_times_that_are_known(tmp_path, machine, job, end):
    assert source(tmp_path, machine, job).read().end == end


def test_a_shutdown_that_is_announced_later_is_seen(tmp_path):
    features = source(tmp_path, {}, {"jobstart_secs": 1000})
    assert features.read().end is None
    write(tmp_path / "machine", shutdowntime=1400)
    assert features.read() == Features(shutdown=1400.0, started=1000.0)


def test_where_there_are_no_features_nothing_is_read():
    features = FeatureSource({}, fetch=pytest.fail)
    assert not features.there
    assert features.read() == Features()


@pytest.fixture
def addressed(tmp_path):
    """A web server with pages by path, and features on it whose clock is put by hand."""
    with serving(tmp_path) as server:
        pages = {"/mf/shutdowntime": b"1400", "/jf/max_rss_bytes": b"1000"}
        server.misbehave = lambda path, count: (200, pages[path]) if path in pages else (404, b"")
        server.pages, server.clock = pages, [5.0]
        where = {"MACHINEFEATURES": f"{server.url}/mf/", "JOBFEATURES": f"{server.url}/jf"}
        server.features = FeatureSource(where, clock=lambda: server.clock[0])
        yield server


def test_features_may_be_an_address(addressed, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert addressed.features.read() == Features(shutdown=1400.0, memory=1000)
    addressed.features.read()
    assert addressed.counts["/jf/max_rss_bytes"] == 1, "what hardly ever changes is asked seldom"
    assert addressed.counts["/mf/shutdowntime"] == 2


def test_a_slot_that_is_extended_is_seen_after_a_while(addressed):
    addressed.pages.update({"/jf/jobstart_secs": b"1000", "/jf/wall_limit_secs": b"300"})
    assert addressed.features.read().end == 1300.0
    addressed.pages["/jf/wall_limit_secs"] = b"350"
    addressed.clock[0] += REFRESH - 1
    assert addressed.features.read().end == 1300.0
    addressed.clock[0] += 1
    assert addressed.features.read().end == 1350.0


def test_a_shutdown_that_is_called_off_is_forgotten(addressed):
    assert addressed.features.read().shutdown == 1400.0
    del addressed.pages["/mf/shutdowntime"]
    assert addressed.features.read().shutdown is None


def test_a_server_that_is_away_for_a_while_has_said_what_it_said_before(addressed):
    before = addressed.features.read()
    addressed.misbehave = lambda path, count: (500, b"")
    addressed.clock[0] += REFRESH
    assert addressed.features.read() == before


def test_an_address_that_does_not_answer_says_nothing():
    assert FeatureSource({"MACHINEFEATURES": "http://127.0.0.1:9/mf"}).read() == Features()
