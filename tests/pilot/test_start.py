"""What a pilot has imported, and made, when its first request leaves: every job pays for it, whatever it needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pilot.dispatcher import QUEUE, serving

ROOT = Path(__file__).parents[2]
#: A pilot that writes down, when it first calls its server, which modules there are, which of the pilot's classes had
#: methods compiled for them alone, and whether the garbage collector would look at all that.
OBSERVED = """
import gc, json, sys
path = sys.argv.pop(1)

def compiled(kind):
    by_dataclass = "__dataclass_params__" in vars(kind) and kind.__dataclass_params__.init
    return by_dataclass or (issubclass(kind, tuple) and type(kind) is type)

def note(event, arguments):
    if event == "socket.connect" and arguments[1][0] == "127.0.0.1" and not noted:
        noted.append(event)
        ours = [module for name, module in list(sys.modules.items()) if name.startswith("pilot.")]
        made = [f"{kind.__module__}.{kind.__qualname__}" for module in ours for kind in list(vars(module).values())
            if isinstance(kind, type) and kind.__module__ == module.__name__ and compiled(kind)]
        found = {"modules": list(sys.modules), "compiled": made}
        with open(path, "w") as file:
            json.dump({**found, "looks": gc.isenabled(), "spared": gc.get_freeze_count()}, file)

noted = []
sys.addaudithook(note)
from pilot.cli import main
sys.exit(main())
"""
#: Of these, and of what lies below them, nothing is imported before the first request: only some jobs need them, or
#: none before it is there. What requests itself imports is left out.
LATER = """
    argparse asyncio concurrent difflib multiprocessing platform psutil secrets sqlite3 statistics subprocess tarfile
    unittest uuid xml yaml zipfile
    pilot.api.analytics pilot.api.container pilot.api.data pilot.api.descriptions pilot.api.environment
    pilot.api.event_client pilot.api.event_files
    pilot.api.exchange pilot.api.file_lists pilot.api.harvester pilot.api.images pilot.api.job_files pilot.api.offline
    pilot.api.pool_catalog pilot.api.services pilot.api.shared_files pilot.api.staged pilot.api.staging pilot.api.tries
    pilot.api.worker
    pilot.broker pilot.check
    pilot.contract.catchall pilot.contract.events pilot.contract.order pilot.contract.payload_codes
    pilot.contract.processing pilot.contract.resource_types pilot.contract.server_codes pilot.contract.signature
    pilot.contract.worker
    pilot.control.adoption pilot.control.broker pilot.control.checking pilot.control.checks pilot.control.chirping
    pilot.control.credentials pilot.control.debugging pilot.control.event_way pilot.control.gathering
    pilot.control.iterations pilot.control.lending pilot.control.observing pilot.control.realtime
    pilot.control.resuming pilot.control.utilities pilot.control.verdicts
    pilot.copytool.engine pilot.copytool.failures pilot.copytool.routes
    pilot.common pilot.eventservice pilot.hpc pilot.info pilot.progress_line pilot.realtime pilot.replay pilot.stage
    pilot.trial pilot.usage
    pilot.runtime.compression pilot.runtime.container.asked pilot.runtime.container.choice
    pilot.runtime.container.command pilot.runtime.container.diagnosis pilot.runtime.container.node
    pilot.runtime.container.options pilot.runtime.container.podman pilot.runtime.container.values
    pilot.runtime.core_dump pilot.runtime.keeper pilot.runtime.line pilot.runtime.log_archive pilot.runtime.memory
    pilot.runtime.prmon pilot.runtime.probe pilot.runtime.process pilot.runtime.signing pilot.runtime.thrift
    pilot.runtime.transformation
    pilot.settings.broker pilot.settings.chirp pilot.settings.events pilot.settings.harvester pilot.settings.hpc
    pilot.settings.iterations pilot.settings.realtime pilot.settings.stager
    pilot.site.batch pilot.site.chirp pilot.site.confinement pilot.site.cpu pilot.site.cvmfs pilot.site.disks
    pilot.site.gpus pilot.site.login pilot.site.memory pilot.site.network pilot.site.proxy pilot.site.storage
    pilot.site.system pilot.site.tls pilot.site.tree
    pilot.user.compass
"""
#: Methods of these alone are compiled anew in every process: half a millisecond for each class of `dataclass`, a
#: tenth for one of `typing.NamedTuple`. `Frozen` and `NamedTuple` of `pilot.contract` take a hundredth.
COMPILED = ["pilot.control.slot.Slot"]
#: Each module takes a fifth of a millisecond to be found and read, whatever is in it.
MOST_MODULES = 105


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


def test_few_modules_are_imported_before_the_first_request(start):
    ours = [name for name in start["modules"] if name.startswith("pilot.")]
    assert len(ours) <= MOST_MODULES, f"each takes time; which of these can wait? {ours}"


def test_no_class_has_methods_compiled_at_each_start(start):
    assert [name for name in start["compiled"] if name not in COMPILED] == [], (
        "take Frozen and NamedTuple of pilot.contract"
    )


def test_what_the_start_has_made_is_never_searched_for_garbage(start):
    assert start["looks"], "garbage of later is collected"
    assert start["spared"] > 10000
