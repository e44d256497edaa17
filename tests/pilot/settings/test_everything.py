from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields, replace

import pytest

from pilot.settings import SECTIONS, Queue, Server, Settings, load
from pilot.settings.declaring import Section
from pilot.settings.harvester import Harvester

#: Prints which modules of the package there are after a line of code.
LOADED = """
import json, sys
from pilot.settings import SECTIONS, Settings, from_environment, load
{line}
print(json.dumps([name for name in sys.modules if name.startswith("pilot.settings.")]))
"""


def loaded_after(line):
    argv = [sys.executable, "-c", LOADED.format(line=line)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    return "pilot.settings.harvester" in json.loads(done.stdout)


@pytest.mark.parametrize(
    "line",
    [
        "load([]).settings.monitor",
        "list(SECTIONS), len(SECTIONS), 'harvester' in SECTIONS",
        "load([]).settings.mentions('harvester')",
        "load([]).settings.evolve(monitor=load([]).settings.monitor)",
    ],
)
def test_a_section_that_nobody_names_is_not_imported(line):
    assert not loaded_after(line)


@pytest.mark.parametrize(
    "line",
    [
        "load([]).settings.harvester",
        "load([('site.yaml', {'harvester': {'beat': 3}})])",
        "load(from_environment({'COMPASS_PILOT__HARVESTER__BEAT': '3'}))",
        "SECTIONS['harvester']",
        "load([]).lines()",
    ],
)
def test_a_section_is_imported_when_it_is_read_or_named(line):
    assert loaded_after(line)


def test_a_section_that_nobody_names_is_as_declared_and_stays_the_same():
    settings = Settings()
    assert settings.harvester.beat == 60.0
    assert settings.harvester is settings.harvester
    assert isinstance(settings.harvester, Harvester)


def test_settings_know_which_sections_were_named():
    settings = load([("site.yaml", {"harvester": {}})]).settings
    assert settings.mentions("harvester")
    assert not settings.mentions("monitor")


@pytest.mark.parametrize("change", [Settings.evolve, replace])
def test_a_changed_copy_keeps_the_other_sections(change):
    before = Settings(server=Server(url="a"), queue=Queue(name="Q"))
    after = change(before, server=Server(url="b"))
    assert (before.server.url, after.server.url, after.queue) == ("a", "b", before.queue)


def test_a_section_that_does_not_exist_is_refused():
    with pytest.raises(TypeError, match="Settings has no servr"):
        Settings(servr=Server())
    assert not hasattr(Settings(), "servr")
    with pytest.raises(KeyError):
        SECTIONS["servr"]
    assert "servr" not in SECTIONS


def test_each_section_is_a_class_of_settings_that_says_what_it_is_about():
    assert list(SECTIONS) == [spec.name for spec in fields(Settings)]
    assert [name for name, kind in SECTIONS.items() if not (issubclass(kind, Section) and kind.__doc__)] == []
