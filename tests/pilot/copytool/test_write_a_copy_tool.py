"""What doc/tutorial/write-a-copy-tool.md builds: taken from the page, installed as a reader would, held to the kit."""

from __future__ import annotations

import json
import re
import sys
from importlib import import_module
from pathlib import Path

import pytest

from pilot import plugins
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.queue import Protocol, QueueData, StorageEndpoint
from pilot.copytool.base import Cancel, CopyFailed, Deadline, FailureKind, Transfer
from pilot.copytool.engine import Engine
from pilot.copytool.toolbox import Tools
from pilot.settings.everything import Settings
from tests.kits.copytool import CONTENT, SUM

PAGE = (Path(__file__).parents[3] / "doc" / "tutorial" / "write-a-copy-tool.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)


def blocks(language):
    return [text for kind, text in BLOCKS if kind == language]


@pytest.fixture
def installed(tmp_path_factory, monkeypatch):
    """The package and its program, where a reader's Python and shell would find them."""
    folder = tmp_path_factory.mktemp("aurora")
    (folder / "vault").write_text(blocks("sh")[0])
    (folder / "vault").chmod(0o755)
    module, _ = blocks("python")
    (folder / "aurora_vault.py").write_text(module)
    group, point = blocks("toml")[0].splitlines()
    about = folder / "aurora_vault-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: aurora-vault\nVersion: 1\n")
    name = re.search(r'"(.+)"', group).group(1)
    (about / "entry_points.txt").write_text(f"[{name}]\n{point.replace(chr(34), '')}\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PATH", f"{folder}:{Path(sys.executable).parent}:/usr/bin:/bin")
    yield folder
    sys.modules.pop("aurora_vault", None)


def kit_of_the_page():
    """Answer the class of tests that the page writes."""
    text = blocks("python")[1].replace("from aurora_vault import Vault\n", "")
    names = {"Vault": lambda: import_module("aurora_vault").Vault()}
    exec(compile(text, "write-a-copy-tool.md", "exec"), names)
    return names["TestVault"]


@pytest.mark.usefixtures("installed")
class TestOfThePage(kit_of_the_page()):
    """The kit, as the page inherits it."""


def test_the_pilot_has_the_tool_under_its_name_and_the_engine_uses_it(installed, tmp_path, monkeypatch):
    manager = plugins.load("aurora")
    offered = {kind.name: kind for kinds in plugins.call(manager, "register_copytools") for kind in kinds}
    (tmp_path / "storage").mkdir()
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "f").write_bytes(CONTENT)
    monkeypatch.setenv("VAULT", str(tmp_path / "storage"))
    said = json.loads(blocks("json")[0])
    acopytools = {activity: tuple(names) for activity, names in said["acopytools"].items()}
    queue = QueueData("Q", copytools=said["copytools"], acopytools=acopytools, astorages={"write_lan": ("S",)})
    protocols = {"write_lan": (Protocol("vault://", "/data"),)}
    engine = Engine(Tools(offered, Settings(), queue), {"S": StorageEndpoint("S", False, protocols)}, queue)
    file = FileSpec("f", Role.OUTPUT, dataset="set")
    spec = JobSpec(id=1, attempt=1, transformation="true", outputs=(file,))
    (stored,) = engine.stage_out(spec, [file], tmp_path / "work", Deadline(30), Cancel())
    assert (stored.url, stored.checksum) == ("vault:///data/set/f", SUM)
    assert (tmp_path / "storage" / "data" / "set" / "f").read_bytes() == CONTENT


def test_what_hangs_is_ended_in_time(installed, tmp_path):
    (installed / "vault").write_text("#!/bin/sh\nsleep 60\n")
    tool = import_module("aurora_vault").Vault()
    with pytest.raises(CopyFailed) as caught:
        tool.copy(Transfer("f", "vault:///f", f"file://{tmp_path / 'f'}"), Deadline(0.3), Cancel())
    assert caught.value.kind is FailureKind.TIMEOUT


def test_an_address_of_something_else_is_refused(installed):
    with pytest.raises(CopyFailed, match="is not an address such as vault:///NAME"):
        import_module("aurora_vault").Vault().stat("root://host//f", Deadline(1))
