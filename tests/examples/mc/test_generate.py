"""Generation with the real Pythia: physics, repeatability, refusals."""

from __future__ import annotations

import awkward
import numpy as np
import pytest
import uproot
from compass_mc import layouts, provenance
from compass_mc.errors import PayloadFailed
from compass_mc.generate import BATCH, HIGHEST_SEED, Order, check_yield, generate
from compass_mc.kinematics import BEAM_ENERGY, BEAM_MOMENTUM, MUON_MASS, PROTON_MASS

from tests.examples.mc.chunk_files import RUN, ChunkFiles, run_generate


def arrays(path):
    with uproot.open(path) as file:
        return file[layouts.GENERATED.tree].arrays()


@pytest.fixture(scope="module")
def events(chunks):
    return arrays(chunks[0].generated)


def test_exactly_the_events_that_were_ordered_are_written_and_numbered_from_one(events):
    assert events["event"].tolist() == list(range(1, 601))
    assert set(events["run"].tolist()) == {RUN}
    assert set(events["chunk"].tolist()) == {1}


def test_every_event_lies_inside_the_kinematic_limits(events):
    assert awkward.all(events.Q2 > 1)
    assert awkward.all((events.y > 0.1) & (events.y < 0.9))
    assert awkward.all(events.W > 5)
    assert awkward.all((events.x > 0) & (events.x < 1))
    assert awkward.all(events.Q2 < 2 * PROTON_MASS * BEAM_ENERGY)


def test_the_means_are_those_of_compass(events):
    assert 3.0 < awkward.mean(events.Q2) < 4.5
    assert 0.035 < awkward.mean(events.x) < 0.065
    assert 0.27 < awkward.mean(events.y) < 0.37
    assert 8.0 < awkward.mean(events.W) < 10.5
    assert 7 < awkward.mean(events.nparticle) < 14


def test_energy_momentum_and_charge_are_conserved_in_every_event(events):
    square = events.particle_px**2 + events.particle_py**2 + events.particle_pz**2 + events.particle_mass**2
    energy = awkward.sum(np.sqrt(square), axis=1)
    energy = energy + np.sqrt(events.mu_px**2 + events.mu_py**2 + events.mu_pz**2 + MUON_MASS**2)
    assert np.abs(energy - BEAM_ENERGY - PROTON_MASS).to_numpy().max() < 0.02  # GeV; Pythia's own tolerance
    for axis, expected in (("px", 0.0), ("py", 0.0), ("pz", BEAM_MOMENTUM)):
        total = awkward.sum(events[f"particle_{axis}"], axis=1) + events[f"mu_{axis}"]
        assert np.abs(total - expected).to_numpy().max() < 0.02
    # The final state carries the target's charge beside the scattered muon.
    charge = {11: -1, 13: -1, 211: 1, 321: 1, 2212: 1, 3112: -1, 3222: 1, 3312: -1, 3334: -1}
    pids = awkward.to_list(events.particle_pid)
    assert {sum(int(np.sign(pid)) * charge.get(abs(pid), 0) for pid in event) for event in pids} == {1}


def test_the_same_seed_gives_the_same_events_and_another_seed_others(tmp_path, events, capsys):
    again, other = ChunkFiles.under(tmp_path / "a", 1), ChunkFiles.under(tmp_path / "b", 1)
    for files, seed in ((again, 1001), (other, 2002)):
        files.generated.parent.mkdir()
        assert run_generate(files, events=100, seed=seed) == 0
    # A longer chunk begins with the events of a shorter one.
    assert arrays(again.generated).tolist() == events[:100].tolist()
    assert not set(arrays(other.generated).Q2.tolist()) & set(events.Q2.tolist())


def test_the_file_says_how_it_was_made(chunks):
    with uproot.open(chunks[0].generated) as file:
        origin = provenance.generated_from(str(file[provenance.KEY]), "file")
    assert (origin.run, origin.chunk, origin.seed, origin.events) == (RUN, 1, 1001, 600)
    assert origin.generator.startswith("Pythia 8.")
    assert 600 < origin.tried < 2400
    assert 1e-4 < origin.cross_section_mb < 1e-3


def test_progress_and_the_end_are_told_in_the_log(tmp_path, capsys):
    files = ChunkFiles.under(tmp_path, 4)
    assert run_generate(files, events=700) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["Number of events generated : 700", "End of Job"]
    done = [int(line.split()[3]) for line in lines[:-2]]
    assert lines[:-2] == [f"Events processed : {number} of 700" for number in done]
    assert done == sorted(done)
    assert len(done) > 1
    assert done[-1] == 700


@pytest.mark.parametrize("seed", [0, -1, HIGHEST_SEED + 1])
def test_a_seed_that_pythia_would_replace_by_the_clock_is_refused(tmp_path, seed):
    with pytest.raises(PayloadFailed, match=f"seed {seed} is out of range"):
        generate(Order(run=1, chunk=1, seed=seed, events=1), tmp_path / "out.root")
    assert list(tmp_path.iterdir()) == []


def test_a_generation_that_gets_nowhere_is_stopped():
    check_yield(events=0, attempts=100 * BATCH)
    check_yield(events=1000, attempts=2100)
    with pytest.raises(PayloadFailed, match="only 3 of 60000 events of Pythia's pass the cuts"):
        check_yield(events=3, attempts=60_000)


def test_nothing_is_left_where_the_folder_does_not_exist(tmp_path, capsys):
    files = ChunkFiles.under(tmp_path / "absent", 1)
    assert run_generate(files, events=1) == 1
    complaint = capsys.readouterr().err
    assert complaint.startswith("compass-mc: generate: ")
    assert "absent" in complaint
    assert complaint.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
