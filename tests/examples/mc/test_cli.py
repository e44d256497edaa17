"""The command ``compass-mc``: usage, exit statuses, injected failures, signals, start-up."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from compass_mc import cli, event_dump
from compass_mc.failures import FAILURES, NO_END_OF_JOB

from tests.examples.mc.chunk_files import RUN, ChunkFiles, run_generate, run_reconstruct

COMMAND = [sys.executable, "-m", "compass_mc.cli"]
# What COMPASS's pilots look for, as the experiment's programs write it.
KNOWN = {
    "fatal": (1235, "A FATAL ERROR APPEARED"),
    "crash": (1236, "(core dumped)"),
    "no-events": (1237, "DaqEventsManager::GetEvent(): no event"),
    "abnormal-end": (1238, "Abnormal job termination. Exception #2 had been caught"),
    "aborted": (1239, "Aborted "),
    "no-memory": (1241, "TLattice::TLattice: Cannot Allocate 1610612736 Bytes in Memory!"),
    "empty-calibration": (1243, "_LEDinSpills empty string from calib file"),
    "cdb": (1244, "can't connect to CDB database"),
    "bad-calibration": (1245, "Exception in readCalibration()"),
    "killed": (1246, "Killed"),
    "coral-exit": (1247, "CORAL exiting with return code -3"),
}
STATUS = {"fatal": 1, "no-memory": 1, "cdb": 1, "bad-calibration": 1, "coral-exit": 253}
SIGNAL = {"crash": signal.SIGSEGV, "aborted": signal.SIGABRT, "killed": signal.SIGKILL}


def generate_words(path, *more: str) -> list[str]:
    return ["generate", "--run", "1", "--chunk", "1", "--seed", "1", "--events", "1", "--output", str(path), *more]


def test_every_failure_pattern_is_one_that_compass_knows():
    assert {name: failure.code for name, failure in FAILURES.items()} == {
        name: code for name, (code, _) in KNOWN.items()
    }


@pytest.mark.parametrize("pattern", FAILURES)
def test_an_injected_failure_writes_its_line_and_ends_in_its_way(tmp_path, pattern):
    done = subprocess.run(
        [*COMMAND, *generate_words(tmp_path / "out.root", "--fail", pattern)],
        cwd=tmp_path,  # where limits allow core files, they belong here
        capture_output=True,
        text=True,
        timeout=30,
    )
    stream, other = (done.stdout, done.stderr) if FAILURES[pattern].stream == "stdout" else (done.stderr, done.stdout)
    assert KNOWN[pattern][1] in stream
    assert other == ""
    assert done.returncode == (-SIGNAL[pattern] if pattern in SIGNAL else STATUS.get(pattern, 0))
    assert "End of Job" not in done.stdout
    assert list(tmp_path.glob("out*")) == []


def test_a_job_without_its_last_line_has_written_all_its_files(chunks, tmp_path, capsys):
    files = ChunkFiles.under(tmp_path, 2)
    files.generated.symlink_to(chunks[1].generated)
    assert run_reconstruct(files, "--fail", NO_END_OF_JOB) == 0
    out = capsys.readouterr().out
    assert "events had been written to miniDST" in out
    assert "End of Job" not in out
    assert files.mdst.exists()
    assert files.histograms.exists()
    assert files.event_dump.exists()


@pytest.mark.parametrize("step", ["generate", "reconstruct", "merge"])
def test_every_job_can_fail_on_order(chunks, tmp_path, capsys, step):
    files, more = ChunkFiles.under(tmp_path, 1), ("--fail", "cdb")
    if step == "generate":
        status = run_generate(files, *more)
    elif step == "reconstruct":
        status = run_reconstruct(files, *more)
    else:
        status = cli.main(["merge", "--kind", "mdst", "--output", str(tmp_path / "out"), str(chunks[0].mdst), *more])
    assert status == 1
    assert capsys.readouterr() == ("", "can't connect to CDB database\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "STEP"),
        (["generate"], "--run"),
        (["generate", "--run", "-5"], "-5 is not from 0 to 2147483647"),
        (["generate", "--run", "2147483648"], "is not from 0 to 2147483647"),
        (["generate", "--run", "x"], "'x' is not a whole number"),
        (["generate", "--events", "0"], "0 is less than 1"),
        (["generate", "--seed", "1.5"], "'1.5' is not a whole number"),
        (["merge", "--kind", "logs"], "invalid choice: 'logs'"),
        (["reconstruct", "--fail", "hiccup"], "invalid choice: 'hiccup'"),
        (["plot", "--hist", "a", "--out", "b"], "--histograms, --output"),
    ],
)
def test_a_wrong_use_ends_with_status_2_and_names_the_argument(capsys, words, complaint):
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_the_smallest_q2_of_the_dump_can_be_chosen(chunks, tmp_path):
    files = ChunkFiles.under(tmp_path, 2)
    files.generated.symlink_to(chunks[1].generated)
    assert run_reconstruct(files, "--dump-q2", "10000") == 0
    assert files.event_dump.stat().st_size == event_dump.EMPTY_SIZE
    assert run_reconstruct(files, "--dump-q2", "0") == 0
    assert sum(1 for _ in event_dump.read_bodies(files.event_dump)) > 150


def test_a_write_that_the_system_refuses_is_told_in_one_line(chunks, tmp_path, capsys):
    files = ChunkFiles.under(tmp_path, 2)
    files.generated.symlink_to(chunks[1].generated)
    files.event_dump.mkdir()  # a folder stands where the file should go
    assert run_reconstruct(files) == 1
    complaint = capsys.readouterr().err
    assert complaint.startswith("compass-mc: reconstruct: ")
    assert str(files.event_dump) in complaint
    assert "check the disk space and the permissions" in complaint
    assert complaint.count("\n") == 1


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_job_leaves_no_half_file(tmp_path, stop):
    words = ["--run", str(RUN), "--chunk", "1", "--seed", "1", "--events", "10000000"]
    argv = [*COMMAND, "generate", *words, "--output", str(tmp_path / "out.root")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as job:
        try:
            assert job.stdout is not None
            assert job.stdout.readline().startswith("Events processed : ")  # it comes at once: it is not buffered
            assert [path.name for path in tmp_path.iterdir()] == [".out.root.part"]
            job.send_signal(stop)
            assert job.wait(timeout=10) == 128 + stop
        finally:
            job.kill()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    """A limit on the size of files makes the system refuse a write half-way, as a full disk does."""
    script = (
        "import resource, signal, sys; from compass_mc import cli;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000));"
        "sys.exit(cli.main(sys.argv[1:]))"
    )
    words = ["--run", "1", "--chunk", "1", "--seed", "1", "--events", "2000", "--output", str(tmp_path / "out.root")]
    argv = [sys.executable, "-B", "-c", script, "generate", *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("compass-mc: generate: ")
    assert "File too large" in done.stderr
    assert "check the disk space" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("cli", {"numpy", "uproot", "pythia8mc", "matplotlib", "hist"}),
        ("generate", {"matplotlib", "hist"}),
        ("reconstruct", {"matplotlib", "pythia8mc"}),
        ("merge", {"matplotlib", "pythia8mc"}),
        ("plot", {"matplotlib.pyplot", "pythia8mc"}),
    ],
)
def test_a_step_imports_only_what_it_needs(module, absent):
    script = f"import compass_mc.{module}, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert not absent & set(done.stdout.split())


def test_the_help_names_every_step(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    words = capsys.readouterr().out.split()
    assert {"generate", "reconstruct", "merge", "plot"} <= set(words)


@pytest.mark.parametrize("folder", ["a:b", "with blanks", "ü", "http:", "*"])
def test_any_name_of_a_folder_is_taken_as_it_is(tmp_path, folder):
    files = ChunkFiles.under(tmp_path / folder, 1)
    files.mdst.parent.mkdir()
    assert run_generate(files, events=5) == 0
    assert run_reconstruct(files) == 0
    for kind, source in (("mdst", files.mdst), ("histograms", files.histograms), ("event-dump", files.event_dump)):
        merged = str(tmp_path / folder / f"merged {kind}")
        assert cli.main(["merge", "--kind", kind, "--output", merged, str(source)]) == 0
    assert len(list((tmp_path / folder).iterdir())) == 7


def test_names_relative_to_the_working_folder_are_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = ChunkFiles.under(Path(), 1)
    assert run_generate(files, events=5) == 0
    assert run_reconstruct(files) == 0
    assert (tmp_path / files.mdst.name).exists()
