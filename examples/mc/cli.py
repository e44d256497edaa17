"""The command ``compass-mc``: arguments in, one step of the Monte Carlo done, exit status out."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import failures
from .errors import PayloadFailed
from .progress import END_OF_DECODING, END_OF_JOB, say

SIZE_LIMIT_VARIABLE = "PHAST_mDST_MAX_SIZE"
MERGE_KINDS = ("mdst", "histograms", "event-dump")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; answer 0 only if all files were written and read again."""
    options = parser().parse_args(arguments)
    with _stopped_in_order():
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    fail: str = getattr(options, "fail", None) or ""
    if fail in failures.FAILURES:
        return failures.break_down(fail)
    try:
        options.run_step(options)
    except PayloadFailed as failed:
        return _complain(options.step, str(failed))
    except OSError as failed:
        return _complain(options.step, f"{failed}: check the disk space and the permissions")
    if options.step != "plot" and fail != failures.NO_END_OF_JOB:
        say(END_OF_DECODING if options.step == "filter" else END_OF_JOB)
    return 0


@contextmanager
def _stopped_in_order() -> Iterator[None]:
    """Let a signal to stop end the block as an error would, so that no half-written file is left."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        for number in before:
            signal.signal(number, lambda received, _: sys.exit(128 + received))
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _complain(step: str, why: str) -> int:
    sys.stderr.write(f"compass-mc: {step}: {' '.join(why.split())}\n")
    return 1


class _Parser(argparse.ArgumentParser):
    """Takes no part of an option for the whole."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **more})


def parser() -> argparse.ArgumentParser:
    """Make the parser of all steps."""
    top = argparse.ArgumentParser(prog="compass-mc", description="A Monte Carlo of COMPASS: mu+ p at 160 GeV.")
    steps = top.add_subparsers(dest="step", required=True, metavar="STEP", parser_class=_Parser)
    _add_generate(steps.add_parser("generate", help="make events with Pythia 8"))
    _add_reconstruct(steps.add_parser("reconstruct", help="make mDST, histograms and event dump of generated events"))
    _add_filter(steps.add_parser("filter", help="keep the event dump of a chunk, and nothing else"))
    _add_merge(steps.add_parser("merge", help="join files of one kind"))
    _add_plot(steps.add_parser("plot", help="draw a histogram file"))
    return top


def _add_generate(step: argparse.ArgumentParser) -> None:
    _add_chunk(step)
    step.add_argument("--seed", type=_whole, required=True, help="of the random numbers, 1 to 900000000")
    step.add_argument("--events", type=_positive, required=True, help="number of events that pass the cuts")
    step.add_argument("--output", type=Path, required=True, help="ROOT file of generated events")
    _add_fail(step)
    step.set_defaults(run_step=_generate)


def _add_reconstruct(step: argparse.ArgumentParser) -> None:
    _add_chunk(step)
    step.add_argument("--slot", type=_natural, required=True, help="production slot number")
    step.add_argument("--phast", type=_natural, required=True, help="PHAST version")
    step.add_argument("--input", type=Path, required=True, help="file of generated events")
    step.add_argument("--mdst", type=Path, required=True, help="mDST to write")
    step.add_argument("--histograms", type=Path, required=True, help="histogram file to write")
    _add_dump(step)
    _add_fail(step)
    step.set_defaults(run_step=_reconstruct)


def _add_filter(step: argparse.ArgumentParser) -> None:
    _add_chunk(step)
    step.add_argument("--input", type=Path, required=True, help="file of generated events")
    _add_dump(step)
    _add_fail(step)
    step.set_defaults(run_step=_filter)


def _add_dump(step: argparse.ArgumentParser) -> None:
    step.add_argument("--event-dump", type=Path, required=True, help="event dump to write")
    step.add_argument("--dump-q2", type=float, default=10.0, help="events above go to the dump, in (GeV/c)2 (10)")


def _add_merge(step: argparse.ArgumentParser) -> None:
    step.add_argument("--kind", choices=MERGE_KINDS, required=True)
    step.add_argument("--output", type=Path, required=True, help="file to write")
    step.add_argument("--inputs-from", type=Path, metavar="FILE", help="file with one input per line")
    step.add_argument(
        "--max-size",
        type=_positive,
        metavar="BYTES",
        help=f"refuse inputs that have more in sum (for mdst ${SIZE_LIMIT_VARIABLE}, else 6000000000)",
    )
    step.add_argument("inputs", type=Path, nargs="*", metavar="INPUT")
    _add_fail(step)
    step.set_defaults(run_step=_merge)


def _add_plot(step: argparse.ArgumentParser) -> None:
    step.add_argument("--histograms", type=Path, required=True, help="histogram file, merged or not")
    step.add_argument("--output", type=Path, required=True, help="PNG to write")
    step.set_defaults(run_step=_plot)


def _add_chunk(step: argparse.ArgumentParser) -> None:
    step.add_argument("--run", type=_natural, required=True, help="run number")
    step.add_argument("--chunk", type=_natural, required=True, help="chunk number")


def _add_fail(step: argparse.ArgumentParser) -> None:
    step.add_argument(
        "--fail", choices=failures.PATTERNS, help="for tests and demonstrations: fail as COMPASS's software does"
    )


def _natural(text: str) -> int:
    """Read a whole number that is not negative and fits into the files' 32 bits."""
    number = _whole(text)
    if not 0 <= number < 2**31:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to {2**31 - 1}")
    return number


def _positive(text: str) -> int:
    number = _whole(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number") from None


# Each step imports its own libraries: matplotlib, Pythia and uproot together would double the start-up time.


def _generate(options: argparse.Namespace) -> None:
    from .generate import Order, generate

    generate(Order(options.run, options.chunk, options.seed, options.events), options.output)


def _reconstruct(options: argparse.Namespace) -> None:
    from .reconstruct import Order, Outputs, reconstruct

    order = Order(options.run, options.chunk, options.slot, options.phast, options.dump_q2)
    reconstruct(order, options.input, Outputs(options.mdst, options.histograms, options.event_dump))


def _filter(options: argparse.Namespace) -> None:
    from .filter import Order, keep_events

    keep_events(Order(options.run, options.chunk, options.dump_q2), options.input, options.event_dump)


def _merge(options: argparse.Namespace) -> None:
    from .merge import SIZE_LIMIT, merge

    inputs = [*_listed(options.inputs_from), *options.inputs]
    limit = options.max_size or (_limit_of_phast() if options.kind == "mdst" else None) or SIZE_LIMIT
    merge(options.kind, inputs, options.output, limit=limit)


def _plot(options: argparse.Namespace) -> None:
    from .plot import plot

    plot(options.histograms, options.output)


def _listed(source: Path | None) -> list[Path]:
    """Read names of inputs, one per line; blank lines are left out."""
    if source is None:
        return []
    try:
        lines = source.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as bad:
        raise PayloadFailed(f"--inputs-from {source} cannot be read ({bad})", "give a text file") from bad
    return [Path(line.strip()) for line in lines if line.strip()]


def _limit_of_phast() -> int | None:
    """Read the limit in bytes from the environment, where PHAST looks for its own."""
    text = os.environ.get(SIZE_LIMIT_VARIABLE)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise PayloadFailed(f"{SIZE_LIMIT_VARIABLE}={text!r} is no size", "set it to a number of bytes above 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
