"""A release in a tree as CVMFS has it, with stand-ins for COMPASS's programs, and a way to run jobs from it.

The programs themselves cannot be had here. The stand-ins are shell scripts that do on their arguments, options, output
and exit status what the real ones do; they compute nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from pilot import plugins
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.queue import QueueData
from pilot.job import PayloadCommand, PayloadOutcome, Problem
from pilot.runtime import environment, process, workdir

SETUP = """echo setting up
export CORAL=$PWD
export PATH=$CORAL/bin:$PATH
export ROOTSYS=/opt/root
"""

CORAL = """#!/bin/sh
# Reads its options as CORAL does: one file, key words in front.
[ -n "$ROOTSYS" ] || { echo "no environment" >&2; exit 1; }
raw=$(sed -n 's/^Data file *//p' "$1"); limit=$(sed -n 's/^events to read *//p' "$1")
case "$raw" in '$TMPRAWFILE') raw=$TMPRAWFILE ;; esac
mdst=$(sed -n 's/^mDST file *//p' "$1"); histograms=$(sed -n 's/^histograms home *//p' "$1")
mdst=${mdst#'$TMPMDSTFILE'}; histograms=${histograms#'$TMPHISTFILE'}
events=$(wc -l < "$raw") || exit 1
[ -n "$limit" ] && events=$limit
echo "CDB: ${CDBSERVER:-none}"
echo "Events processed : $events"
echo mdst > "${mdst:-$TMPMDSTFILE}"; echo histograms > "${histograms:-$TMPHISTFILE}"
head -n 2 "$raw" | grep keep > testevtdump.raw
echo "$events events had been written to miniDST"
echo "End of Job"
"""

PHAST = """#!/bin/sh
case "$1" in
-m) out=$3; shift 3
    total=$(cat "$@" | wc -c)
    [ "$total" -le "$PHAST_mDST_MAX_SIZE" ] || { echo "inputs have $total bytes" >&2; exit 1; }
    cat "$@" > "$out"; echo "Number of events saved to output : $(cat "$@" | wc -l)"; echo "End of Job" ;;
-u*) echo "user function ${1#-u} with $#"; shift; echo "$@" ;;
esac
"""

DDD = """#!/bin/sh
for word; do case "$word" in --out=*) out=${word#--out=} ;; --*) echo "filter $word" ;; *) input=$word ;; esac; done
grep keep "$input" > "$out"
echo "End of the decoding!"
"""

TGEANT = """#!/bin/sh
out=$(sed -n 's/.*<output>\\(.*\\)<.*/\\1/p' "$1"); events=$(sed -n 's/.*<events>\\(.*\\)<.*/\\1/p' "$1")
echo generated > "$out"; echo "Number of events generated : $events"
"""

HADD = """#!/bin/sh
out=$1; shift; cat "$@" > "$out"; echo "hadd Target file: $out"
"""

TEMPLATE = """// run @{run}
Data file @{input}
events to read @{events?}
mDST file @{mdst}
histograms home @{histograms}
CDB server @{calibration_server?}
"""

SETTINGS = """<tgeant>
  <run>@{run}</run>
  <seed>@{seed}</seed>
  <events>@{events}</events>
  <output>@{generated}</output>
</tgeant>
"""


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@dataclass(frozen=True)
class Tree:
    """A software area: home, and below it path and soft."""

    home: Path
    path: str = "generalprod/testcoral/"
    soft: str = "dvcs2016P07t1"

    @property
    def release(self) -> Path:
        return self.home / self.path / self.soft

    @property
    def home_package(self) -> str:
        return f"{self.home}/{self.path}"


@pytest.fixture
def tree(tmp_path) -> Tree:
    made = Tree(tmp_path / "cvmfs" / "compass.cern.ch")
    release = made.release
    program(release / "coral" / "setup.sh", SETUP)
    program(release / "phast" / "coral" / "coral.exe", CORAL)
    program(release / "phast" / "phast", PHAST)
    program(release / "coral" / "src" / "DaqDataDecoding" / "examples" / "how-to" / "ddd", DDD)
    program(release / "tgeant" / "bin" / "TGEANT", TGEANT)
    program(release / "coral" / "bin" / "hadd", HADD)
    for name in ("template.opt", "template_mu+.opt", "template_mu-.opt"):
        (release / name).write_text(TEMPLATE)
    (release / "tgeant.xml").write_text(SETTINGS)
    return made


@dataclass(frozen=True)
class Ended:
    """What the pilot knows of a job after its payload."""

    outcome: PayloadOutcome
    problem: Problem | None
    metrics: dict
    folder: Path

    @property
    def said(self) -> str:
        return self.outcome.stdout.read_text()

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()


class Node:
    """Runs jobs as the pilot's payload control does, hook by hook, in real processes."""

    def __init__(self, tree: Tree, base: Path) -> None:
        self.tree, self.base = tree, base
        self.queue = QueueData(name="CERN_COMPASS_PROD")
        self.hook = plugins.load("compass").hook

    def spec(self, kind, transformation, *arguments, inputs=(), outputs=(), **more) -> JobSpec:
        more.setdefault("home_package", self.tree.home_package)
        return JobSpec(
            id=7,
            attempt=1,
            transformation=transformation,
            arguments=arguments,
            processing_type=kind,
            release=self.tree.soft,
            inputs=tuple(FileSpec(name, Role.INPUT) for name in inputs),
            outputs=tuple(FileSpec(name, Role.OUTPUT) for name in outputs),
            **more,
        )

    def verify(self, spec: JobSpec) -> list[str]:
        return [words for words in self.hook.verify_job(spec=spec, queue=self.queue) if words]

    def run(self, spec: JobSpec, **inputs: str) -> Ended:
        """Run a job; ``inputs`` are the texts of its input files, in their order."""
        assert self.verify(spec) == []
        place = workdir.create(self.base, spec)
        assert len(inputs) == len(spec.inputs)
        for file, text in zip(spec.inputs, inputs.values()):
            (place.root / file.lfn).write_text(text)
        asked = self.hook.payload_environment(spec=spec, queue=self.queue, workdir=place.root)
        whole = environment.payload_environment({"HOME": "/"}, place.root, reversed(asked))
        argv = self.hook.payload_command(spec=spec, queue=self.queue, workdir=place.root, environment=whole, image="")
        command = PayloadCommand(tuple(argv), whole, place.root)
        outcome = process.start(command, stdout=place.stdout, stderr=place.stderr).wait()
        self.hook.settle_outputs(spec=spec, outcome=outcome)
        metrics: dict = {}
        for answer in reversed(self.hook.job_metrics(spec=spec, outcome=outcome)):
            metrics |= answer
        return Ended(outcome, self.hook.diagnose_payload(spec=spec, outcome=outcome), metrics, place.root)


@pytest.fixture
def node(tree, tmp_path) -> Node:
    return Node(tree, tmp_path / "jobs")
