"""ROOT files in pieces: what is written is read, in any steps, and what differs is refused."""

from __future__ import annotations

import numpy as np
import pytest
import uproot
from compass_mc import provenance
from compass_mc.errors import PayloadFailed
from compass_mc.root_file import Layout, Table, TableWriter, events_in, joined, origin_of, reading, tables_in

LAYOUT = Layout("tree", "A title", {"event": "int32", "Q2": "float64"}, "hadron", {"pid": "int32", "pz": "float32"})


def table(*counts: int, first: int = 1) -> Table:
    total = sum(counts)
    return Table(
        {"event": np.arange(first, first + len(counts)), "Q2": np.arange(len(counts)) + 0.1},
        np.array(counts, int),
        {"pid": np.arange(total), "pz": np.arange(total) * 0.5},
    )


def same(first: Table, second: Table) -> bool:
    pairs = [(first.counts, second.counts)]
    pairs += [(first.scalars[name], second.scalars[name]) for name in first.scalars]
    pairs += [(first.members[name], second.members[name]) for name in first.members]
    return all(np.array_equal(one, other) for one, other in pairs)


def write(path, *tables: Table) -> TableWriter:
    writer = TableWriter(path, LAYOUT)
    for part in tables:
        writer.append(part)
    writer.close("an origin")
    return writer


@pytest.mark.parametrize("step", [1, 2, 100])
def test_what_was_appended_in_pieces_is_read_in_pieces(tmp_path, step):
    parts = table(2, 0, 3), table(), table(0, first=4), table(1, 4, first=5)
    write(tmp_path / "file", *parts).verify()
    with reading(tmp_path / "file") as file:
        found = list(tables_in(file, LAYOUT, step))
        assert events_in(file, LAYOUT, tmp_path / "file") == 6
        assert origin_of(file, tmp_path / "file") == "an origin"
    assert [len(part) for part in found] == {1: [1] * 6, 2: [2] * 3, 100: [6]}[step]
    assert same(joined(found), joined(list(parts)))


def test_branches_have_the_types_of_the_layout(tmp_path):
    write(tmp_path / "file", table(1))
    with uproot.open(tmp_path / "file") as file:
        types = {branch.name: branch.typename for branch in file["tree"].branches}
        assert file["tree"].title == "A title"
    assert types == {
        "event": "int32_t",
        "Q2": "double",
        "nhadron": "int32_t",
        "hadron_pid": "int32_t[]",
        "hadron_pz": "float[]",
    }


def test_a_selection_keeps_the_lists_of_its_events():
    kept = table(2, 0, 3, 1).select(np.array([True, False, False, True]))
    assert kept.scalars["event"].tolist() == [1, 4]
    assert kept.counts.tolist() == [2, 1]
    assert kept.members["pid"].tolist() == [0, 1, 5]


def test_a_file_with_fewer_events_or_particles_than_were_written_is_refused(tmp_path):
    writer = write(tmp_path / "file", table(2, 1))
    writer.verify()
    writer.events += 1
    with pytest.raises(PayloadFailed, match="holds 2 events with 3 hadrons, but 3 with 3 were written"):
        writer.verify()
    writer.events, writer.entries = 2, 4
    with pytest.raises(PayloadFailed, match="but 2 with 4 were written"):
        writer.verify()


def test_a_file_without_our_objects_is_named(tmp_path):
    with uproot.recreate(tmp_path / "foreign.root") as file:
        file["something"] = "else"
    with reading(tmp_path / "foreign.root") as file:
        with pytest.raises(PayloadFailed, match=rf"foreign.root has no {provenance.KEY}"):
            origin_of(file, tmp_path / "foreign.root")
        with pytest.raises(PayloadFailed, match=r"foreign.root has no TTree 'tree'"):
            events_in(file, LAYOUT, tmp_path / "foreign.root")


def test_a_file_that_ends_too_early_is_noticed_when_it_is_opened(tmp_path):
    path = tmp_path / "file"
    write(path, table(2, 1))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    expected = f"it should have {len(whole)} bytes, but ends after {len(whole) - 1}"
    with pytest.raises(PayloadFailed, match=expected), reading(path):
        pass
