"""The command line of a benchmark: its numbers in, its figures to the terminal and, with --json, into a file."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.figures import Figure, machine, table, write_json


class Number(NamedTuple):
    """One option: its name, its default, which says its kind (it may be a word), and what it is."""

    name: str
    default: float | str
    help: str


def run(
    words: str | None,
    numbers: Sequence[Number],
    measure: Callable[[argparse.Namespace], list[Figure]],
    argv: Sequence[str] | None = None,
) -> None:
    """Measure, and show what came of it.

    Args:
        words: What the benchmark is, for its help.
        numbers: Its options.
        measure: Answers the figures; it is given the options by their names.
        argv: The arguments; those of the process when left out.
    """
    parser = argparse.ArgumentParser(description=words, formatter_class=argparse.RawDescriptionHelpFormatter)
    for number in numbers:
        default = number.default or "all" if isinstance(number.default, str) else f"{number.default:g}"
        text = f"{number.help} (default: {default})"
        parser.add_argument(f"--{number.name}", type=type(number.default), default=number.default, help=text)
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args(argv)
    begun = machine()
    found = measure(options)
    print(f"{begun['cores']} cores, load {begun['load']} before and {machine()['load']} after\n{table(found)}")
    if options.json:
        write_json(options.json, begun, found)
