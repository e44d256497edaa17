"""Filtering keeps what reconstruction writes into its event dump, byte by byte, and says so in its own words."""

from __future__ import annotations

from compass_mc import cli, event_dump

from tests.examples.mc.chunk_files import RUN


def run_filter(source, output, *more: str, chunk: int = 1) -> int:
    words = ["--run", str(RUN), "--chunk", str(chunk), "--input", str(source), "--event-dump", str(output)]
    return cli.main(["filter", *words, *more])


def test_the_dump_is_that_of_the_reconstruction(chunks, tmp_path, capsys):
    output = tmp_path / "evtdump1-1-277000.raw"
    assert run_filter(chunks[0].generated, output, chunk=chunks[0].chunk) == 0
    assert output.read_bytes() == chunks[0].event_dump.read_bytes()
    count = sum(1 for _ in event_dump.read_bodies(output))
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("Events processed : ")
    assert said[-2:] == [f"Number of events in the dump : {count}", "End of the decoding!"]
    assert count > 0


def test_where_no_event_passes_the_dump_is_the_marker_of_an_empty_one(chunks, tmp_path):
    output = tmp_path / "none.raw"
    assert run_filter(chunks[0].generated, output, "--dump-q2", "1e9", chunk=chunks[0].chunk) == 0
    assert output.stat().st_size == event_dump.EMPTY_SIZE


def test_a_file_of_another_chunk_is_refused(chunks, tmp_path, capsys):
    assert run_filter(chunks[0].generated, tmp_path / "x.raw", chunk=99) == 1
    assert "not run 277000, chunk 99" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_input_is_not_overwritten(chunks, capsys):
    assert run_filter(chunks[0].generated, chunks[0].generated, chunk=chunks[0].chunk) == 1
    assert "is the input, too" in capsys.readouterr().err


def test_a_failure_on_order_says_no_end(chunks, tmp_path, capsys):
    words = ("--fail", "no-end-of-job")
    assert run_filter(chunks[0].generated, tmp_path / "x.raw", *words, chunk=chunks[0].chunk) == 0
    assert "End of the decoding!" not in capsys.readouterr().out
