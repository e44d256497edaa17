"""What a pilot has imported, and made, when its first request leaves: every job pays for it, whatever it needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pilot.dispatcher import QUEUE, serving

ROOT = Path(__file__).parents[2]
#: A pilot that writes down, when it first calls its server, which modules there are, and which of the pilot's classes
#: are dataclasses.
OBSERVED = """
import json, sys
path = sys.argv.pop(1)

def note(event, arguments):
    if event == "socket.connect" and arguments[1][0] == "127.0.0.1" and not noted:
        noted.append(event)
        ours = [module for name, module in list(sys.modules.items()) if name.startswith("pilot.")]
        made = [f"{kind.__module__}.{kind.__qualname__}" for module in ours for kind in list(vars(module).values())
            if isinstance(kind, type) and kind.__module__ == module.__name__ and "__dataclass_fields__" in vars(kind)]
        with open(path, "w") as file:
            json.dump({"modules": list(sys.modules), "dataclasses": made}, file)

noted = []
sys.addaudithook(note)
from pilot.cli import main
sys.exit(main())
"""
#: Of these, and of what lies below them, nothing is imported before the first request: only some jobs need them, or
#: none before it is there. What requests itself imports is left out.
LATER = """
    asyncio concurrent difflib multiprocessing platform psutil secrets sqlite3 statistics subprocess tarfile unittest
    uuid xml yaml zipfile
    pilot.api.container pilot.api.environment pilot.api.harvester pilot.api.job_files pilot.api.offline
    pilot.api.pool_catalog pilot.api.worker
    pilot.check pilot.contract.order pilot.contract.signature pilot.contract.worker
    pilot.control.checking pilot.control.checks pilot.control.credentials pilot.control.debugging
    pilot.control.utilities pilot.control.verdicts
    pilot.copytool.engine pilot.copytool.routes
    pilot.replay pilot.trial
    pilot.runtime.compression pilot.runtime.container.choice pilot.runtime.container.command
    pilot.runtime.container.node pilot.runtime.container.podman pilot.runtime.core_dump pilot.runtime.keeper
    pilot.runtime.log_archive pilot.runtime.memory pilot.runtime.prmon pilot.runtime.probe pilot.runtime.process
    pilot.runtime.signing pilot.runtime.thrift pilot.runtime.transformation
    pilot.site.batch pilot.site.confinement pilot.site.cpu pilot.site.disks pilot.site.gpus pilot.site.memory
    pilot.site.proxy pilot.site.tree
    pilot.user.compass
"""
#: The methods of each of these are compiled anew in every process, half a millisecond for each class; those of a
#: NamedTuple take a tenth of that.
MOST_DATACLASSES = 38


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    folder = tmp_path_factory.mktemp("start")
    note = folder / "note.json"
    with serving(folder) as dispatcher:
        options = ["-q", QUEUE, "--url", dispatcher.url, "-a", str(folder / "base"), "--getjobrequests", "1"]
        argv = [sys.executable, "-c", OBSERVED, str(note), *options]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert dispatcher.asked, done.stderr
    return json.loads(note.read_text())


def test_what_only_some_jobs_need_is_not_imported_before_there_is_one(start):
    program = "import json, sys, requests, pluggy; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    added = set(start["modules"]) - set(json.loads(done.stdout))
    early = [name for name in sorted(added) if any(f"{name}.".startswith(f"{later}.") for later in LATER.split())]
    assert not early, f"import these where they are used: {early}"


def test_every_module_that_is_to_be_imported_later_is_there():
    ours = [ROOT.joinpath(*name.split(".")) for name in LATER.split() if name.startswith("pilot.")]
    assert [path for path in ours if not path.is_dir() and not path.with_suffix(".py").is_file()] == []


def test_few_classes_have_their_methods_compiled_at_each_start(start):
    made = start["dataclasses"]
    assert len(made) <= MOST_DATACLASSES, f"what only carries values may be a NamedTuple; these are not: {made}"
