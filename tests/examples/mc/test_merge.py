"""Merging: counts are sums, nothing is lost or taken twice, memory stays flat, bad inputs are named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import uproot
from compass_mc import cli, event_dump, histograms, layouts, provenance
from compass_mc.root_file import Table, TableWriter, reading

from tests.examples.mc.chunk_files import PHAST, RUN, SLOT

pytestmark = pytest.mark.one_python

KINDS = {"mdst": "mdst", "histograms": "histograms", "event-dump": "event_dump"}


def inputs_of(chunks, kind: str) -> list[Path]:
    return [getattr(files, KINDS[kind]) for files in chunks]


def run_merge(kind: str, output: Path, *words: object) -> int:
    return cli.main(["merge", "--kind", kind, "--output", str(output), *map(str, words)])


def count(kind: str, path: Path) -> int:
    if kind == "event-dump":
        return sum(1 for _ in event_dump.read_bodies(path))
    with reading(path) as file:
        if kind == "mdst":
            return int(file[layouts.MDST.tree].num_entries)
        return int(histograms.contents(histograms.read(file, path)["x_Q2"]))


def fake_events(chunk: int, number: int) -> Table:
    """Events of random content: what merging costs does not depend on physics, and they do not compress."""
    random = np.random.default_rng(chunk)
    counts = random.integers(0, 6, number)
    scalars = {name: random.random(number) + 2 for name in layouts.MDST.scalars}
    scalars |= {"run": np.full(number, RUN), "chunk": np.full(number, chunk), "event": np.arange(1, number + 1)}
    members = {name: random.random(counts.sum()) * 4 - 1 for name in layouts.MDST.members}
    whole = {name: np.sign(members[name]).astype(int) for name in ("charge", "truth_pid")}
    return Table(scalars, counts, members | whole)


def write_fake(folder: Path, chunk: int, number: int, *, slot: int = SLOT) -> dict[str, Path]:
    """Write the three products of a chunk without generating it."""
    events = fake_events(chunk, number)
    origin = provenance.to_text(provenance.Reconstructed(slot, PHAST, number, number, ((RUN, chunk),)))
    paths = {kind: folder / f"{kind}-{chunk}" for kind in KINDS}
    writer = TableWriter(paths["mdst"], layouts.MDST)
    writer.append(events)
    writer.close(origin)
    filled = histograms.booked()
    histograms.fill(filled, events)
    histograms.write(paths["histograms"], filled, origin)
    with paths["event-dump"].open("wb") as dump:
        dump.write(event_dump.HEADER)
        for body in event_dump.bodies(events):
            event_dump.append(dump, body)
    return paths


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> list[dict[str, Path]]:
    """Thirty chunks; the first has 0 events, the last 29."""
    folder = tmp_path_factory.mktemp("many")
    return [write_fake(folder, chunk, chunk) for chunk in range(30)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_merged_file_of_real_chunks_holds_the_sum_of_their_events(chunks, tmp_path, kind, number):
    inputs = inputs_of(chunks, kind)[:number]
    assert run_merge(kind, tmp_path / "out", *inputs) == 0
    assert count(kind, tmp_path / "out") == sum(count(kind, path) for path in inputs) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_thirty_files_listed_in_a_file_are_merged(many, tmp_path, kind):
    (tmp_path / "list").write_text("".join(f"{paths[kind]}\n\n" for paths in many))
    assert run_merge(kind, tmp_path / "out", "--inputs-from", tmp_path / "list") == 0
    assert count(kind, tmp_path / "out") == sum(range(30))


def test_a_merged_mdst_holds_the_events_of_its_inputs_in_their_order(chunks, tmp_path):
    assert run_merge("mdst", tmp_path / "out", *inputs_of(chunks, "mdst")) == 0
    expected = []
    for files in chunks:
        with uproot.open(files.mdst) as file:
            expected += file[layouts.MDST.tree].arrays().tolist()
    with uproot.open(tmp_path / "out") as file:
        assert file[layouts.MDST.tree].arrays().tolist() == expected


def test_every_bin_of_merged_histograms_is_the_sum_under_and_overflow_included(chunks, many, tmp_path):
    inputs = [many[number]["histograms"] for number in (5, 20, 29)]
    assert run_merge("histograms", tmp_path / "out", *inputs) == 0
    read = []
    for path in (*inputs, tmp_path / "out"):
        with reading(path) as file:
            read.append(histograms.read(file, path))
    *parts, merged = read
    for key, found in merged.items():
        assert np.array_equal(found.values(flow=True), sum(part[key].values(flow=True) for part in parts))
    # The random events have y and z outside of the axes: the test is of flow bins too.
    assert merged["y"].values(flow=True)[-1] == 5 + 20 + 29
    assert merged["z"].values(flow=True)[0] > 0
    assert merged["z"].values(flow=True)[-1] > 0


def test_titles_and_axes_survive_a_merge(chunks, tmp_path):
    run_merge("histograms", tmp_path / "once", *inputs_of(chunks, "histograms")[:2])
    run_merge("histograms", tmp_path / "twice", tmp_path / "once", chunks[2].histograms)
    with uproot.open(tmp_path / "twice") as file:
        assert file["Q2"].classname == "TH1D"
        assert file["x_Q2"].classname == "TH2D"
        assert file["Q2"].title == "Photon virtuality"
        assert file["Q2"].member("fXaxis").member("fTitle") == "Q^{2} [(GeV/c)^{2}]"
        assert file["Q2"].axis().edges() == pytest.approx(np.geomspace(1, 100, 41))
        origin = provenance.reconstructed_from(str(file[provenance.KEY]), "file")
    assert origin.chunks == ((RUN, 1), (RUN, 2), (RUN, 3))
    assert origin.generated == 1000


def test_empty_dumps_are_left_out_and_only_empty_ones_give_the_marker(many, tmp_path):
    empty, one, two = (many[number]["event-dump"] for number in (0, 1, 2))
    assert run_merge("event-dump", tmp_path / "out", one, empty, two) == 0
    body = len(event_dump.HEADER)
    assert (tmp_path / "out").read_bytes() == one.read_bytes() + two.read_bytes()[body:]
    assert run_merge("event-dump", tmp_path / "none", empty) == 0
    assert (tmp_path / "none").read_bytes() == event_dump.HEADER


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("mdst", "Number of events saved to output : 3"),
        ("histograms", "Number of events in the histograms : 3"),
        ("event-dump", "Number of events in the dump : 3"),
    ],
)
def test_the_log_tells_files_events_and_the_end(many, tmp_path, capsys, kind, line):
    run_merge(kind, tmp_path / "out", many[1][kind], many[2][kind])
    progress = ["Files processed : 1 of 2", "Files processed : 2 of 2"]
    assert capsys.readouterr().out.splitlines() == [*progress, line, "End of Job"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_chunk_given_twice_is_refused(many, tmp_path, capsys, kind):
    assert run_merge(kind, tmp_path / "first", many[3][kind], many[4][kind]) == 0
    assert run_merge(kind, tmp_path / "out", many[5][kind], many[4][kind], tmp_path / "first") == 1
    assert f"chunk 4 of run {RUN} is in {many[4][kind]} and again in {tmp_path / 'first'}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["mdst", "histograms"])
def test_files_of_two_slots_are_not_merged(many, tmp_path, capsys, kind):
    other = write_fake(tmp_path, 31, 3, slot=2)
    assert run_merge(kind, tmp_path / "out", many[1][kind], other[kind]) == 1
    assert (
        f"{other[kind]} is of slot 2, PHAST {PHAST}, but {many[1][kind]} is of slot {SLOT}" in capsys.readouterr().err
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_input_is_named_and_nothing_is_left(many, tmp_path, capsys, kind):
    damaged = tmp_path / "damaged"
    damaged.write_bytes(many[9][kind].read_bytes()[:-7])
    assert run_merge(kind, tmp_path / "out", many[8][kind], damaged) == 1
    out, err = capsys.readouterr()
    assert f"compass-mc: merge: {damaged} " in err
    assert "the file is damaged: fetch or make it again" in err
    assert "End of Job" not in out
    assert list(tmp_path.iterdir()) == [damaged]


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_input_is_named_before_anything_is_written(many, tmp_path, capsys, kind):
    assert run_merge(kind, tmp_path / "out", many[1][kind], tmp_path / "absent") == 1
    assert f"{tmp_path / 'absent'} does not exist" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        ("mdst", "histograms", "has no TTree 'mDST'"),
        ("histograms", "mdst", "has no histograms"),
        ("event-dump", "mdst", "is no usable event dump"),
        ("mdst", "event-dump", "cannot be read"),
    ],
)
def test_a_file_of_another_kind_is_refused(many, tmp_path, capsys, kind, given, words):
    assert run_merge(kind, tmp_path / "out", many[5][given]) == 1
    assert words in capsys.readouterr().err


def test_a_file_that_holds_other_numbers_of_events_than_it_says_is_refused(many, tmp_path, capsys):
    lying = provenance.to_text(provenance.Reconstructed(SLOT, PHAST, 9, 9, ((RUN, 77),)))
    writer = TableWriter(tmp_path / "mdst", layouts.MDST)
    writer.append(fake_events(77, 4))
    writer.close(lying)
    histograms.write(tmp_path / "histograms", histograms.booked(), lying)
    assert run_merge("mdst", tmp_path / "out", tmp_path / "mdst") == 1
    assert f"{tmp_path / 'mdst'} holds 4 events, but says 9" in capsys.readouterr().err
    assert run_merge("histograms", tmp_path / "out", many[1]["histograms"], tmp_path / "histograms") == 1
    assert "histogram Q2 holds 0 events, but the file says 9" in capsys.readouterr().err


def test_histograms_of_other_names_or_bins_are_refused(many, tmp_path, capsys):
    origin = provenance.to_text(provenance.Reconstructed(SLOT, PHAST, 0, 0, ((RUN, 77),)))
    booked = histograms.booked()
    fewer = {key: booked[key] for key in booked if key != "W"}
    histograms.write(tmp_path / "fewer", fewer, origin)
    histograms.write(tmp_path / "other", {**booked, "W": histograms.booked()["y"]}, origin)
    assert run_merge("histograms", tmp_path / "out", many[1]["histograms"], tmp_path / "fewer") == 1
    assert f"{tmp_path / 'fewer'} and the files before it differ in W" in capsys.readouterr().err
    assert run_merge("histograms", tmp_path / "out", many[1]["histograms"], tmp_path / "other") == 1
    assert f"{tmp_path / 'other'}: histogram W has other bins" in capsys.readouterr().err


@pytest.mark.parametrize("by", ["option", "environment"])
def test_inputs_above_the_size_limit_are_refused_before_they_are_read(many, tmp_path, capsys, monkeypatch, by):
    inputs = [many[1]["mdst"], many[2]["mdst"]]
    total = sum(path.stat().st_size for path in inputs)
    if by == "environment":
        monkeypatch.setenv(cli.SIZE_LIMIT_VARIABLE, str(total - 1))
    limit = ["--max-size", total - 1] if by == "option" else []
    assert run_merge("mdst", tmp_path / "out", *limit, *inputs) == 1
    out, err = capsys.readouterr()
    assert f"the 2 inputs have {total} bytes, more than the limit of {total - 1}: merge fewer files" in err
    assert out == ""
    assert run_merge("mdst", tmp_path / "out", "--max-size", total, *inputs) == 0


def test_phasts_limit_is_for_mdsts_only(many, tmp_path, monkeypatch):
    monkeypatch.setenv(cli.SIZE_LIMIT_VARIABLE, "1")
    assert run_merge("histograms", tmp_path / "out", many[1]["histograms"]) == 0


def test_a_limit_that_is_no_number_is_named(many, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv(cli.SIZE_LIMIT_VARIABLE, "6G")
    assert run_merge("mdst", tmp_path / "out", many[1]["mdst"]) == 1
    assert "PHAST_mDST_MAX_SIZE='6G' is no size: set it to a number of bytes above 0" in capsys.readouterr().err


def test_nothing_to_merge_is_an_error(tmp_path, capsys):
    (tmp_path / "list").write_text("\n")
    for kind in KINDS:
        assert run_merge(kind, tmp_path / "out", "--inputs-from", tmp_path / "list") == 1
        assert "there is nothing to merge" in capsys.readouterr().err
    assert run_merge("mdst", tmp_path / "out", "--inputs-from", tmp_path / "absent") == 1
    assert f"--inputs-from {tmp_path / 'absent'} cannot be read" in capsys.readouterr().err


def test_an_output_is_never_one_of_the_inputs(many, capsys):
    path = many[2]["mdst"]
    assert run_merge("mdst", path, many[1]["mdst"], path) == 1
    assert f"{path} is an input too" in capsys.readouterr().err
    assert count("mdst", path) == 2


PEAK = """
import resource, sys
from compass_mc import cli
assert cli.main(["merge", *sys.argv[1:]]) == 0
sys.stderr.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))
"""


def test_the_memory_of_a_merge_does_not_grow_with_its_inputs(tmp_path):
    inputs = [write_fake_mdst(tmp_path, chunk, 20_000) for chunk in range(12)]
    peaks = []
    for number in (4, 12):
        words = ["--kind", "mdst", "--output", tmp_path / "out", *inputs[:number]]
        argv = [sys.executable, "-c", PEAK, *map(str, words)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
        peaks.append(int(done.stderr))
    added = sum(path.stat().st_size for path in inputs[4:])
    assert added > 20_000_000
    assert peaks[1] - peaks[0] < added / 4


def write_fake_mdst(folder: Path, chunk: int, number: int) -> Path:
    writer = TableWriter(folder / f"large-{chunk}", layouts.MDST)
    writer.append(fake_events(chunk, number))
    writer.close(provenance.to_text(provenance.Reconstructed(SLOT, PHAST, number, number, ((RUN, chunk),))))
    return writer.path
