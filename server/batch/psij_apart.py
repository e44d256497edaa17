"""Speaks with a batch system as psij has it, in a process apart; called by `server.lib.apart`, values of JSON only.

Psij writes the script of each job, says which commands submit, ask and cancel, and reads what they answer. They are
run here, since psij would wait for them for ever, forget what a submission has said when it dies, and look through the
queue by a thread of its own.
"""

from __future__ import annotations

import functools
import io
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

if sys.version_info < (3, 11):  # noqa: UP036 - it may be another Python than the server's
    version = ".".join(map(str, sys.version_info[:2]))
    raise ImportError(f"{sys.executable} is Python {version}: name one from 3.11 on (options.psij_python)")

from server.batch.base import BatchFailed, BatchMisconfigured
from server.batch.psij_answers import ENDING, Piece, cut, is_held, only_gone
from server.batch.psij_files import holding

#: What a queue may say of a job that psij cannot read: nothing is concluded from it.
UNCLEAR = "UNCLEAR"
_LAST_WORDS = 500
#: What psij's readers raise for what they do not expect.
_SURPRISES = (AssertionError, AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)
_LONG = 10**7

Where = Mapping[str, Any]


def submit(
    where: Where, job: Mapping[str, Any], home: str, lock: str, numbers: Sequence[int], words: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Submit jobs one by one; yield the number and the system's id of each.

    What a command answers is in the file ``said-NUMBER`` before anything else knows of it, and the lock is held until
    the command is over, whoever has died meanwhile.

    Args:
        where: The executor, and how its commands are run.
        job: As `server.batch.psij_options.describe` says.
        home: The folder of the submission.
        lock: The file whose lock is held.
        numbers: Those of the jobs.
        words: What each runs; its number comes behind them.
    """
    executor = _executor(where["executor"], where["folder"])
    executor.work_directory = Path(home, "batch")
    executor.work_directory.mkdir(mode=0o700, exist_ok=True)
    with holding(Path(lock), Path(home).name) as door:
        for number in numbers:
            script = _write_script(executor, job, number, [*words, str(number)])
            argv: list[str] = executor.get_submit_command(None, script)
            told = os.devnull
            if where["executor"] == "lsf":  # which reads its directives there, whatever lsf.conf says of scripts
                told = argv.pop()
            with Path(home, f"said-{number}").open("w+b") as answer, Path(told).open("rb") as source:
                status, errors = _run(where, argv, answer, source, (door,))
                said = _read(answer)
            if status:
                raise BatchFailed(_words(argv[0], errors or said, status))
            native = _native(executor, said)
            if native is None:
                raise BatchFailed(f"{argv[0]}: its answer names no job: {_last(said or errors)}")
            yield {"number": number, "native": native}


def read_answers(where: Where, texts: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Read the ids from what submissions have answered, by their numbers; what names no job is left out."""
    executor = _executor(where["executor"], where["folder"])
    for number, text in texts.items():
        native = _native(executor, text)
        if native is not None:
            yield {"number": int(number), "native": native}


def queue(where: Where, natives: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Ask once for all jobs; yield each that the system knows: its id, psij's name of its state, if held, and why."""
    executor = _executor(where["executor"], where["folder"])
    argv = executor.get_status_command(natives)
    status, said, errors = _ask(where, argv)
    if not said.strip() and not errors.strip() and where["executor"] != "cobalt":
        raise BatchFailed(f"{argv[0]} has answered nothing (status {status})")
    try:
        pieces = cut(where["executor"], said)
    except ValueError as wrong:
        raise BatchFailed(f"{argv[0]}: {wrong}: {_last(errors or said)}") from wrong
    if not only_gone(errors) and (status or not pieces):
        raise BatchFailed(_words(argv[0], errors, status))
    for piece in pieces:
        yield {
            "native": piece.native,
            "state": _state(executor, where["executor"], piece),
            "held": is_held(where["executor"], piece),
            "words": piece.words,
            "status": piece.status,
        }


def cancel(where: Where, natives: Sequence[str]) -> Iterator[int]:
    """Have the system end jobs, by one command for all; those that have ended are passed over."""
    executor = _executor(where["executor"], where["folder"])
    argv = [*executor.get_cancel_command(natives[0]), *natives[1:]]
    status, said, errors = _ask(where, argv)
    if status and not only_gone(errors or said):
        raise BatchFailed(_words(argv[0], errors or said, status))
    yield len(natives)


@functools.cache
def _executor(name: str, folder: str) -> Any:
    """Answer psij's executor; its thread sleeps, as nothing is ever given to it."""
    _library()
    from psij import JobExecutor
    from psij.executors.batch.batch_scheduler_executor import BatchSchedulerExecutorConfig

    os.umask(0o077)
    config = BatchSchedulerExecutorConfig(
        work_directory=Path(folder, "psij"), queue_polling_interval=_LONG, initial_queue_polling_delay=_LONG
    )
    return JobExecutor.get_instance(name, config=config)


def _library() -> None:
    try:
        import psij  # noqa: F401
    except ImportError as missing:
        remedy = f"{sys.executable} -m pip install 'psij-python>=0.9.11,<0.10', or name a Python that has it"
        raise BatchMisconfigured(f"psij is not installed ({missing}): {remedy} (options.psij_python)") from missing


def _write_script(executor: Any, said: Mapping[str, Any], number: int, words: Sequence[str]) -> Path:
    """Have psij write the script of a job, which becomes our program; answer where it is."""
    from psij import Job, JobAttributes, JobSpec, ResourceSpecV1

    resources = ResourceSpecV1(
        node_count=said["nodes"],
        processes_per_node=said["processes"],
        cpu_cores_per_process=said["cores"],
        exclusive_node_use=said["exclusive"],
        memory=said["memory"],
    )
    attributes = JobAttributes(queue_name=said["queue"], account=said["account"], reservation_id=said["reservation"])
    attributes.duration = None if said["duration"] is None else timedelta(seconds=said["duration"])
    # The commands' own environment is as good as empty, and is all that goes with the job.
    spec = JobSpec(executable=words[0], arguments=[*words[1:]], resources=resources, attributes=attributes)
    job = Job(spec)
    context = executor._create_script_context(job)
    # In place of psij's shell scripts, which would hear the orders to end first, and die of them.
    context["psij"]["launch_command"] = ["exec", *words]
    path = Path(executor.work_directory, f"{number}.job")
    text = io.StringIO()
    executor.generate_submit_script(job, context, text)
    first, *lines = text.getvalue().splitlines()
    kept = [line for line in lines if not line.startswith(tuple(said["drop"]))]
    path.write_text("\n".join([first, *said["add"], *kept, ""]))
    return path


def _native(executor: Any, text: str) -> str | None:
    from psij import SubmitException

    try:
        native = str(executor.job_id_from_submit_output(text)).strip()
    except (SubmitException, *_SURPRISES):
        return None
    return native or None


def _state(executor: Any, name: str, piece: Piece) -> str:
    if piece.code in ENDING.get(name, ()):
        return "ACTIVE"
    try:
        found = executor.parse_status_output(0, piece.text)
        return str(found[piece.native].state.name)
    except _SURPRISES:
        return UNCLEAR


def _ask(where: Where, argv: Sequence[str]) -> tuple[int, str, str]:
    with tempfile.TemporaryFile() as answer, Path(os.devnull).open("rb") as nothing:
        status, errors = _run(where, argv, answer, nothing, ())
        return status, _read(answer), errors


def _run(where: Where, argv: Sequence[str], answer: IO[bytes], told: IO[bytes], keep: Sequence[int]) -> tuple[int, str]:
    """Run a command, told something by one file, whose answer goes to another; answer its status and its errors."""
    folders = [where["programs"]] if where["programs"] else []
    path = os.pathsep.join([*folders, "/usr/local/bin", "/usr/bin", "/bin"])
    with tempfile.TemporaryFile() as errors:
        program = str(Path(where["programs"], argv[0])) if where["programs"] else argv[0]
        try:
            asked = subprocess.Popen(
                [program, *argv[1:]],
                env={"PATH": path, **where["environment"]},
                stdin=told,
                stdout=answer,
                stderr=errors,
                pass_fds=keep,
                start_new_session=True,
                cwd="/",
            )
        except OSError as wrong:
            raise BatchFailed(f"{program} cannot be started: {wrong.strerror}") from wrong
        try:
            status = asked.wait(where["timeout"])
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(asked.pid, signal.SIGKILL)
            asked.wait()
            words = f"{argv[0]} did not answer within {where['timeout']:g} s"
            raise BatchFailed(": ".join(filter(None, [words, _last(_read(errors))]))) from None
        return status, _read(errors)


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _words(program: str, said: str, status: int) -> str:
    """Say what a command has to say about its failure, and which it was."""
    words = _last(said) or f"status {status}"
    return words if words.startswith(f"{program}:") else f"{program}: {words}"


def _last(words: str) -> str:
    return " ".join(words.split())[-_LAST_WORDS:]
