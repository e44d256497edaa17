from __future__ import annotations

import json
import os

import pytest

from pilot.job import Memory, Traffic
from pilot.runtime.memory import Sample, Summary
from pilot.runtime.prmon import Prmon, as_dict
from pilot.runtime.processes import Process, Tree

KB = 1024


def sample(wall, pss):
    process = Process(7, 1, "R", 0.0, 0.0, 3, 0.0, 0, 0)
    memory = Memory(vmem=900 * KB, pss=pss * KB, rss=400 * KB, swap=0)
    return Sample(1527669447.4, wall, Tree((process,), 50.4, 9.6), memory, Traffic(6000, 600, 1200, 120, 60, 0))


def test_the_table_grows_by_a_line_with_prmons_columns_and_units(tmp_path):
    prmon, summary = Prmon(tmp_path), Summary()
    for wall, pss in ((60.0, 100), (120.0, 300)):
        summary = summary.add(sample(wall, pss))
        prmon.write(sample(wall, pss), summary)
    head, *lines = (tmp_path / "memory_monitor_output.txt").read_text().splitlines()
    assert head.split("\t")[:2] == ["Time", "wtime"]
    rows = [dict(zip(head.split("\t"), map(int, line.split("\t")))) for line in lines]
    assert [row["pss"] for row in rows] == [100, 300]
    assert rows[1] == {
        **{"Time": 1527669447, "wtime": 120, "nprocs": 1, "nthreads": 3, "stime": 10, "utime": 50},
        **{"pss": 300, "rss": 400, "swap": 0, "vmem": 900, "rchar": 6000, "wchar": 600},
        **{"read_bytes": 1200, "write_bytes": 120, "rx_bytes": 60, "tx_bytes": 0},
    }


def test_the_summary_has_prmons_keys_with_means_of_memory_and_rates_of_traffic(tmp_path):
    summary = Summary().add(sample(60.0, 100)).add(sample(120.0, 300))
    Prmon(tmp_path).write(sample(120.0, 300), summary)
    found = json.loads((tmp_path / "memory_monitor_summary.json").read_text())
    assert found == as_dict(summary)
    assert found["Max"] | {"x": 0} == {
        **{"pss": 300, "rss": 400, "vmem": 900, "swap": 0, "nprocs": 1, "nthreads": 3, "x": 0},
        **{"utime": 50, "stime": 10, "wtime": 120, "rchar": 6000, "wchar": 600},
        **{"read_bytes": 1200, "write_bytes": 120, "rx_bytes": 60, "tx_bytes": 0},
    }
    assert found["Avg"]["pss"] == 200
    assert found["Avg"]["rchar"] == 50
    assert found["prmon"]["version"].startswith("compass-pilot ")
    assert [path.name for path in tmp_path.glob("*.new")] == []


@pytest.mark.parametrize("name", ["memory_monitor_output.txt", "memory_monitor_summary.json.new"])
def test_what_a_payload_puts_in_the_place_of_a_file_is_not_followed_or_waited_for(tmp_path, name):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for put in (os.mkfifo, lambda path: path.symlink_to(victim)):
        put(tmp_path / name)
        with pytest.raises(OSError, match="No such device|Too many levels"):
            Prmon(tmp_path).write(sample(60.0, 100), Summary().add(sample(60.0, 100)))
        (tmp_path / name).unlink()
    assert victim.read_text() == "mine"


def test_a_summary_of_nothing_is_empty():
    assert as_dict(Summary())["Max"] == {}
