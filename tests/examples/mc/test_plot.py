"""The figure of a histogram file."""

from __future__ import annotations

import numpy as np
import pytest
from compass_mc import cli, histograms, provenance
from compass_mc.plot import PANELS, caption, drawn
from compass_mc.root_file import reading
from matplotlib.image import imread

from tests.examples.mc.chunk_files import PHAST, RUN, SLOT

pytestmark = pytest.mark.one_python


def run_plot(source, output) -> int:
    return cli.main(["plot", "--histograms", str(source), "--output", str(output)])


def origin(events: int, *chunks: tuple[int, int]) -> provenance.Reconstructed:
    return provenance.Reconstructed(SLOT, PHAST, 2 * events, events, chunks)


def test_a_histogram_file_becomes_a_picture(chunks, tmp_path, capsys):
    assert run_plot(chunks[0].histograms, tmp_path / "plot.png") == 0
    picture = imread(tmp_path / "plot.png")
    assert picture.shape[0] > 900
    assert picture.shape[1] > 2000
    assert len(np.unique(picture[::8, ::8].reshape(-1, picture.shape[2]), axis=0)) > 100
    assert capsys.readouterr().out.startswith("Number of events drawn : 5")


def test_the_figure_names_the_experiment_every_axis_and_the_events(chunks):
    with reading(chunks[0].histograms) as file:
        found = histograms.read(file, chunks[0].histograms)
    figure = drawn(found, origin(1234, (RUN, 1), (RUN, 2)))
    words = [text.get_text() for text in figure.texts]
    assert any("COMPASS MC" in text and "160 GeV" in text for text in words)
    assert "1,234 events (2,468 generated), 1 run, 2 chunks" in words
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert all(panel.label in labels for panel in PANELS.values())
    assert all(axes.get_ylabel() for axes in figure.axes)


@pytest.mark.parametrize(
    ("chunks_drawn", "words"),
    [(((5, 1),), "1 run, 1 chunk"), (((5, 1), (5, 2), (6, 1)), "2 runs, 3 chunks")],
)
def test_the_caption_counts_runs_and_chunks(chunks_drawn, words):
    assert caption(origin(7, *chunks_drawn)) == f"7 events (14 generated), {words}"


def test_empty_histograms_are_drawn_too(tmp_path):
    histograms.write(tmp_path / "empty.root", histograms.booked(), provenance.to_text(origin(0, (RUN, 1))))
    assert run_plot(tmp_path / "empty.root", tmp_path / "plot.png") == 0
    assert (tmp_path / "plot.png").stat().st_size > 10_000


def test_a_file_without_our_histograms_is_refused(chunks, tmp_path, capsys):
    assert run_plot(chunks[0].mdst, tmp_path / "plot.png") == 1
    assert f"{chunks[0].mdst} has no histograms" in capsys.readouterr().err
    some = {key: found for key, found in histograms.booked().items() if key != "z"}
    histograms.write(tmp_path / "some.root", some, provenance.to_text(origin(0, (RUN, 1))))
    assert run_plot(tmp_path / "some.root", tmp_path / "plot.png") == 1
    assert "some.root lacks the histograms z" in capsys.readouterr().err
    assert not (tmp_path / "plot.png").exists()
