"""What the server orders is what the pilot's plugin for COMPASS turns into the right command, for each kind of job."""

from __future__ import annotations

import os
import subprocess
import tarfile
from dataclasses import replace

import pytest

from pilot.contract import naming
from pilot.contract.codec import ContractError
from pilot.contract.job import FileSpec, Role
from pilot.contract.order import order_from_wire, order_to_wire
from pilot.user.compass import kinds
from server.production import orders
from server.production.files import Names
from server.production.orders import Frame, Group, Piece
from server.production.programs import OWN, programs_of
from server.production.states import MergeKind, OutputKind, TaskType
from tests.pilot.user.compass.conftest import Node, Tree, node, tree

__all__ = ["node", "tree"]

RUN, CHUNK, SLOT, PHAST = 278473, 12, 1, 8
RAW = FileSpec(naming.raw(RUN, CHUNK), Role.INPUT, dataset="raw", size=10)
GENERATED = FileSpec(naming.generated(RUN, CHUNK), Role.INPUT, dataset="mcgen", size=10)
MDST, HISTOGRAMS = naming.mdst(RUN, CHUNK, SLOT, PHAST), naming.histograms(RUN, CHUNK, SLOT)
DUMP, RICH = naming.event_dump(RUN, CHUNK, SLOT), naming.rich(RUN, CHUNK)


def frame(kind: TaskType, word: str = OWN, *, software: str = "", template: str = "", rich: bool = False) -> Frame:
    names = Names(kind.value, "dvcs2016P07t1", 2016, "P07", "dvcs2016P07t1", SLOT, PHAST, rich)
    return Frame(
        task_id=17,
        names=names,
        queue="CERN_COMPASS_PROD",
        endpoint="DISK",
        log_endpoint="DISK",
        user="manager",
        working_group="compass",
        priority=2000,
        merging_priority=5000,
        max_attempts=5,
        programs=programs_of(word),
        software=software,
        template=template,
    )


def run(node: Node, order, **inputs: str):
    """Let the order travel as it is submitted, and run its job as a pilot does; inputs are their texts in order."""
    # PanDA's column holds 80 characters, and folders of tests have more.
    sent = order._replace(spec=replace(order.spec, home_package="/cvmfs/compass.cern.ch/generalprod/"))
    assert order_from_wire(order_to_wire(sent)).spec.arguments == order.spec.arguments
    return node.run(replace(order.spec, id=7, attempt=1), **inputs)


@pytest.mark.parametrize("kind", [TaskType.TEST, TaskType.MASS, TaskType.TECHNICAL])
@pytest.mark.parametrize("template", ["", "mu+"])
def test_a_production_runs_coral_on_its_raw_file_with_its_options(tree: Tree, node: Node, kind, template):
    order = orders.processing(frame(kind, software=tree.home_package, template=template), Piece(RUN, CHUNK, source=RAW))
    assert order.spec.transformation == "coral.exe"
    template_words = ("--template", template) if template else ()
    assert order.spec.arguments == (
        *("--run", "278473", "--chunk", "12", "--slot", "1", "--phast", "8"),
        *template_words,
    )
    assert kinds.own_kind_of(order.spec).type == order.spec.processing_type
    ended = run(node, order, raw="keep 1\n2\n3\n")
    assert (ended.problem, ended.metrics["nEvents"]) == (None, 3), ended.outcome.stderr.read_text()
    assert f"Data file {RAW.lfn}\nmDST file {MDST}" in ended.read("coral.opt")
    assert [ended.read(name) for name in (MDST, HISTOGRAMS, DUMP)] == ["mdst\n", "histograms\n", "keep 1\n"]


def test_a_rich_file_is_ordered_where_a_task_wants_it_and_may_stay_away(tree: Tree, node: Node):
    plain, wanted = (
        orders.processing(frame(TaskType.MASS, software=tree.home_package, rich=rich), Piece(RUN, CHUNK, source=RAW))
        for rich in (False, True)
    )
    assert RICH not in {file.lfn for file in plain.spec.outputs}
    assert wanted.spec.outputs[-1].lfn == RICH
    assert wanted.spec.outputs[-1].dataset.endswith("/gfiles")
    assert wanted.spec.allow_no_output == (RICH,)
    assert run(node, wanted, raw="1\n").problem is None


def test_filtering_runs_ddd_and_writes_a_dump_and_nothing_else(tree: Tree, node: Node):
    order = orders.processing(frame(TaskType.DDD_FILTERING, software=tree.home_package), Piece(RUN, CHUNK, source=RAW))
    assert (order.spec.transformation, [file.lfn for file in order.spec.outputs]) == ("ddd", [DUMP])
    assert order.spec.arguments == ("--run", "278473", "--chunk", "12", "--slot", "1")
    ended = run(node, order, raw="keep 1\nlose\n")
    assert (ended.problem, ended.read(DUMP)) == (None, "keep 1\n")
    empty = node.run(replace(order.spec, id=8, attempt=1), raw="lose\n")
    assert (empty.problem, (empty.folder / DUMP).read_bytes()) == (None, naming.EMPTY_DUMP)


def test_a_generation_runs_tgeant_with_its_seed(tree: Tree, node: Node):
    piece = Piece(RUN, CHUNK, seed=17, events=500)
    order = orders.processing(frame(TaskType.MC_GENERATION, software=tree.home_package), piece)
    ended = run(node, order)
    assert (ended.problem, ended.metrics["nEvents"]) == (None, 500)
    assert "<seed>17</seed>" in ended.read("tgeant.xml")


def test_a_monte_carlo_reconstruction_runs_coral_on_generated_events(tree: Tree, node: Node):
    piece = Piece(RUN, CHUNK, source=GENERATED)
    order = orders.processing(frame(TaskType.MC_RECONSTRUCTION, software=tree.home_package), piece)
    ended = run(node, order, generated="1\n2\n")
    assert (ended.problem, ended.metrics["nEvents"]) == (None, 2)


def parts(*lfns: str) -> list[FileSpec]:
    return [FileSpec(lfn, Role.INPUT, dataset="parts", size=10) for lfn in lfns]


def group(kind: MergeKind, *lfns: str, events: int | None = None) -> Group:
    return Group(kind, RUN, 1, parts(*lfns), events)


def test_mdsts_are_merged_by_phast_with_its_limit_and_held_against_what_went_in(tree: Tree, node: Node):
    lfns = [naming.mdst(RUN, chunk, SLOT, PHAST) for chunk in (1, 2)]
    wanted = group(MergeKind.MDST, *lfns, events=4)
    order = orders.merging(frame(TaskType.MASS, software=tree.home_package), wanted, refusal=6)
    assert order.spec.arguments == ("--max-size", "6", "--expected-events", "4")
    assert order.spec.priority == 5000
    ended = run(node, order, one="1\n2\n", two="3\n")
    assert (ended.problem, ended.metrics["nEvents"], ended.metrics["eventsLost"]) == (None, 3, 1)
    assert ended.read(naming.merged_mdst(RUN, SLOT, PHAST, 1)) == "1\n2\n3\n"
    small = orders.merging(frame(TaskType.MASS, software=tree.home_package), wanted, refusal=5)
    refused = node.run(replace(small.spec, id=8, attempt=1), one="1\n2\n", two="3\n")
    assert "inputs have 6 bytes" in refused.problem.detail


def test_events_that_nobody_has_counted_are_not_expected(tree: Tree):
    order = orders.merging(frame(TaskType.MASS), group(MergeKind.MDST, "a.root"), refusal=6)
    assert order.spec.arguments == ("--max-size", "6")


@pytest.mark.parametrize(
    ("kind", "program", "lfns", "merged", "text"),
    [
        (
            *(MergeKind.HISTOGRAMS, "hadd", [naming.histograms(RUN, chunk, SLOT) for chunk in (1, 2)]),
            *(naming.merged_histograms(RUN, SLOT, PHAST, 1), "x" * 40 + naming.EMPTY_DUMP.decode()),
        ),
        (
            *(MergeKind.DUMP, "cat", [naming.event_dump(RUN, chunk, SLOT) for chunk in (1, 2)]),
            *(naming.merged_dump(RUN, SLOT, 1), "x" * 40),
        ),
    ],
)
def test_histograms_are_summed_and_dumps_joined(tree: Tree, node: Node, kind, program, lfns, merged, text):
    order = orders.merging(frame(TaskType.MASS, software=tree.home_package), group(kind, *lfns), refusal=6)
    assert (order.spec.transformation, order.spec.arguments) == (program, ())
    ended = run(node, order, one="x" * 40, two=naming.EMPTY_DUMP.decode())
    assert (ended.problem, ended.read(merged)) == (None, text)


@pytest.mark.parametrize("word", [OWN, "compass-mc", "/opt/mine"])
def test_logs_are_packed_as_they_are_and_the_same_logs_give_the_same_file(tree: Tree, node: Node, word):
    lfns = [f"dvcs2016P07t1-2016--{RUN}-{chunk}-{SLOT}-{PHAST}.job.log.tgz" for chunk in (2, 1)]
    lfns.append("of\\another-production.tgz")
    order = orders.merging(frame(TaskType.MASS, word, software="/cvmfs/"), group(MergeKind.LOGS, *lfns), refusal=6)
    assert (order.spec.transformation, order.spec.home_package, order.spec.processing_type) == ("tar", "", "pack-logs")
    packed = f"dvcs2016P07t1-{RUN}-{SLOT}-{PHAST}.logs.tar.001"
    assert [file.lfn for file in order.spec.outputs if file.role is Role.OUTPUT] == [packed]
    ended = run(node, order, two="second", one="first", odd="third")
    assert ended.problem is None, ended.outcome.stderr.read_text()
    with tarfile.open(ended.folder / packed) as archive:
        members = [(member.name, archive.extractfile(member).read()) for member in archive]
    assert members == [(lfns[0], b"second"), (lfns[1], b"first"), (lfns[2], b"third")]
    before = (ended.folder / packed).read_bytes()
    os.utime(ended.folder / lfns[0], (1, 1))
    subprocess.run([order.spec.transformation, *order.spec.arguments], cwd=ended.folder, check=True)
    assert (ended.folder / packed).read_bytes() == before


def test_two_logs_of_one_name_are_never_packed(tree: Tree):
    order = orders.merging(frame(TaskType.MASS), group(MergeKind.LOGS, "a.tgz", "a.tgz"), refusal=6)
    with pytest.raises(ContractError, match=r"a\.tgz is named twice"):
        order_from_wire(order_to_wire(order))


@pytest.mark.parametrize("kind", [kind for kind in TaskType if kind is not TaskType.USER_ANALYSIS])
def test_the_examples_program_needs_no_software_of_the_node_and_is_told_its_files(kind):
    order = orders.processing(frame(kind, "compass-mc", software="/cvmfs/"), Piece(RUN, CHUNK, 1, 5, source=RAW))
    assert (order.spec.transformation, order.spec.home_package) == ("compass-mc", "")
    assert {file.lfn for file in order.spec.outputs} < set(order.spec.arguments)


def test_another_program_with_the_same_arguments_is_a_word_of_the_task():
    order = orders.merging(frame(TaskType.MASS, "/opt/mine"), group(MergeKind.DUMP, "a", "b"), refusal=6)
    merged = naming.merged_dump(RUN, SLOT, 1)
    assert order.spec.transformation == "/opt/mine"
    assert order.spec.arguments == (
        *("merge", "--kind", "event-dump", "--output", merged, "--max-size", "6", "a", "b"),
    )


def test_dumps_of_the_detector_have_no_head_and_those_of_the_example_have_one():
    assert [programs_of(word).dump_head for word in (OWN, "", "compass-mc", "/opt/mine")] == [0, 33, 33, 33]


def test_users_jobs_are_not_ordered_so():
    with pytest.raises(ValueError, match="ordered by their owner"):
        orders.processing(frame(TaskType.USER_ANALYSIS), Piece(1, 1))


def test_what_a_chain_writes_its_names_have():
    files = Names("mass_production", "p", 2016, "P07", "s", SLOT, PHAST, rich=True).chunk_files(RUN, CHUNK)
    assert files == {
        OutputKind.MDST: MDST,
        OutputKind.HISTOGRAMS: HISTOGRAMS,
        OutputKind.DUMP: DUMP,
        OutputKind.RICH: RICH,
    }
