"""Reconstruction of real generated events: contents of its three products, log lines, refusals."""

from __future__ import annotations

import numpy as np
import pytest
import uproot
from compass_mc import event_dump, histograms, layouts, provenance
from compass_mc.root_file import Table, TableWriter, reading

from tests.examples.mc.chunk_files import PHAST, RUN, SLOT, ChunkFiles, run_reconstruct


@pytest.fixture(scope="module")
def mdst(chunks):
    with uproot.open(chunks[0].mdst) as file:
        return file[layouts.MDST.tree].arrays()


def write_generated(path, events: Table, chunk: int) -> None:
    writer = TableWriter(path, layouts.GENERATED)
    writer.append(events)
    origin = provenance.Generated(RUN, chunk, 1, len(events), len(events), "by hand", 1.0)
    writer.close(provenance.to_text(origin))


def no_events() -> Table:
    none = np.zeros(0)
    return Table(dict.fromkeys(layouts.GENERATED.scalars, none), none, dict.fromkeys(layouts.GENERATED.members, none))


def unseen_event() -> Table:
    """One event whose muon is scattered backwards."""
    scalars = {name: np.ones(1) for name in layouts.GENERATED.scalars} | {"mu_pz": np.array([-50.0])}
    return Table(scalars, np.zeros(1, int), dict.fromkeys(layouts.GENERATED.members, np.zeros(0)))


def test_most_events_are_kept_and_all_pass_the_cuts_as_measured(mdst):
    assert 480 < len(mdst) < 570  # of 600, at 90 % muon efficiency and some migration over the cuts
    assert (mdst.Q2.to_numpy() > 1).all()
    assert ((mdst.y.to_numpy() > 0.1) & (mdst.y.to_numpy() < 0.9)).all()
    assert (mdst.W.to_numpy() > 5).all()
    events = mdst.event.tolist()
    assert events == sorted(set(events))


def test_the_measured_variables_scatter_about_the_truth(mdst):
    for name, width in (("Q2", 0.15), ("y", 0.08), ("W", 0.05)):
        ratio = mdst[name].to_numpy() / mdst[f"truth_{name}"].to_numpy()
        assert abs(np.median(ratio) - 1) < 0.01
        assert 0 < ratio.std() < width


def test_the_truth_in_the_mdst_is_that_of_the_generated_event(chunks, mdst):
    with uproot.open(chunks[0].generated) as file:
        generated = file[layouts.GENERATED.tree].arrays(["Q2", "event"], library="np")
    assert (generated["event"] == np.arange(1, 601)).all()
    assert mdst.truth_Q2.tolist() == generated["Q2"][mdst.event.to_numpy() - 1].tolist()


def test_the_histograms_are_those_of_the_mdst(chunks, mdst):
    with reading(chunks[0].histograms) as file:
        found = histograms.read(file, chunks[0].histograms)
    for key in ("Q2", "x", "y", "W", "hadrons", "x_Q2"):
        assert histograms.contents(found[key]) == len(mdst)
    assert histograms.contents(found["z"]) == mdst.nhadron.to_numpy().sum()
    counts, _ = np.histogram(mdst.y.to_numpy(), found["y"].axes[0].edges)
    assert found["y"].values().tolist() == counts.tolist()


def test_the_event_dump_holds_the_events_of_high_q2(chunks, mdst):
    records = [event_dump.unpacked(body) for body in event_dump.read_bodies(chunks[0].event_dump)]
    high = mdst[mdst.Q2 > 10]
    assert 0 < len(high) < 100
    assert [record.event for record in records] == high.event.tolist()
    for record, event in zip(records, high.tolist(), strict=True):
        assert (record.run, record.chunk) == (RUN, 1)
        assert record.inclusive == pytest.approx((event["Q2"], event["x"], event["y"], event["W"]))
        assert [hadron[1] for hadron in record.hadrons] == pytest.approx(event["hadron_px"])
        assert [hadron[0] for hadron in record.hadrons] == event["hadron_charge"]


def test_another_reconstruction_of_the_chunk_gives_the_same_events(chunks, mdst, tmp_path):
    files = ChunkFiles.under(tmp_path, 1)
    files.generated.symlink_to(chunks[0].generated)
    assert run_reconstruct(files) == 0
    with uproot.open(files.mdst) as file:
        assert file[layouts.MDST.tree].arrays().tolist() == mdst.tolist()
    assert files.event_dump.read_bytes() == chunks[0].event_dump.read_bytes()


def test_the_log_has_the_lines_that_compass_pilots_read(chunks, mdst, tmp_path, capsys):
    files = ChunkFiles.under(tmp_path, 1)
    files.generated.symlink_to(chunks[0].generated)
    run_reconstruct(files)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["Events processed : 500 of 600", "Events processed : 600 of 600"]
    assert lines[-2:] == [f"{len(mdst)} events had been written to miniDST", "End of Job"]


def test_the_products_say_what_they_hold(chunks, mdst):
    for path in (chunks[0].mdst, chunks[0].histograms):
        with uproot.open(path) as file:
            origin = provenance.reconstructed_from(str(file[provenance.KEY]), "file")
        assert origin == provenance.Reconstructed(SLOT, PHAST, 600, len(mdst), ((RUN, 1),))


@pytest.mark.parametrize("events", [no_events(), unseen_event()], ids=["no events", "an event that is not seen"])
def test_a_chunk_without_kept_events_ends_well_with_empty_products(tmp_path, capsys, events):
    files = ChunkFiles.under(tmp_path, 8)
    write_generated(files.generated, events, chunk=8)
    assert run_reconstruct(files) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == ["0 events had been written to miniDST", "End of Job"]
    with uproot.open(files.mdst) as file:
        assert file[layouts.MDST.tree].num_entries == 0
    with reading(files.histograms) as file:
        assert all(histograms.contents(found) == 0 for found in histograms.read(file, files.histograms).values())
    assert files.event_dump.stat().st_size == event_dump.EMPTY_SIZE


def test_a_generated_file_of_another_chunk_is_refused(chunks, tmp_path, capsys):
    files = ChunkFiles.under(tmp_path, 2)
    files.generated.symlink_to(chunks[0].generated)
    assert run_reconstruct(files) == 1
    assert f"holds run {RUN}, chunk 1, not run {RUN}, chunk 2" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [files.generated]


@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.99])
def test_a_damaged_input_is_named_and_nothing_is_left(chunks, tmp_path, capsys, keep):
    files = ChunkFiles.under(tmp_path, 1)
    whole = chunks[0].generated.read_bytes()
    files.generated.write_bytes(whole[: int(keep * len(whole)) if keep < 1 else keep])
    assert run_reconstruct(files) == 1
    out, err = capsys.readouterr()
    assert str(files.generated) in err
    assert "the file is damaged: fetch or make it again" in err
    assert err.count("\n") == 1
    assert "End of Job" not in out
    assert list(tmp_path.iterdir()) == [files.generated]


def test_a_missing_input_is_named(tmp_path, capsys):
    files = ChunkFiles.under(tmp_path, 1)
    assert run_reconstruct(files) == 1
    assert f"compass-mc: reconstruct: {files.generated} does not exist" in capsys.readouterr().err


def test_an_mdst_is_no_input_of_a_reconstruction(chunks, tmp_path, capsys):
    files = ChunkFiles.under(tmp_path, 1)
    files.generated.symlink_to(chunks[0].mdst)
    assert run_reconstruct(files) == 1
    assert "it is not of kind Generated" in capsys.readouterr().err


def test_one_name_for_two_files_is_refused(chunks, capsys):
    files = chunks[0]
    same = ChunkFiles(1, files.generated, files.generated, files.histograms, files.event_dump)
    assert run_reconstruct(same) == 1
    assert "two of the four files have the same name" in capsys.readouterr().err
