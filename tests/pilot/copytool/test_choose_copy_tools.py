"""What doc/howto/choose-copy-tools.md tells: its table has every tool, its examples are read as they stand."""

from __future__ import annotations

import configparser
import json
import re
from pathlib import Path

import pytest
import yaml

from pilot.contract.queue import QueueData, StorageEndpoint
from pilot.copytool.known import OWN, Known
from pilot.settings.loading import load

PAGE = (Path(__file__).parents[3] / "doc" / "howto" / "choose-copy-tools.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_table_has_every_tool():
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} >= set(OWN)


def test_its_queue_and_storages_are_read_and_fit_each_other():
    queue, *storages = (json.loads(text) for text in blocks("json"))
    found = QueueData.from_wire(queue)
    assert set(found.copytools_for("read_lan")) <= set(OWN)
    for storage in storages:
        for name, entry in storage.items():
            schemes = {
                protocol.scheme for protocol in StorageEndpoint.from_wire(name, entry).protocols_for("write_lan")
            }
            assert any(Known({})[tool].reaches(scheme) for tool in OWN for scheme in schemes)


@pytest.mark.parametrize("text", blocks("yaml"))
def test_its_settings_are_settings(text):
    assert load([("page", yaml.safe_load(text))])


def test_its_file_of_keys_has_the_storages_section():
    parser = configparser.RawConfigParser()
    parser.read_string(blocks("ini")[0])
    (host,) = parser.sections()
    assert f"s3://{host}" in PAGE
