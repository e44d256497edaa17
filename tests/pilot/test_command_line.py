from __future__ import annotations

import random
import subprocess
import sys

import pytest

from pilot import command_line, usage
from pilot.options import OBSOLETE, SETTING_OPTIONS, Given

FACTORY = [
    "-q",
    "Q",
    "-j",
    "managed",
    "--url",
    "https://a",
    "-p",
    "25443",
    "-d",
    "-w",
    "generic",
    "--harvester-submit-mode",
]
FACTORY += [
    "PULL",
    "--allow-same-user=False",
    "-t",
    "-r",
    "R",
    "--cleanup",
    "False",
    "--token-file=/t",
    "--config",
    "c.yaml",
]


def test_a_factorys_command_line_is_read_without_argparse():
    line = (
        f"import sys\nfrom pilot import command_line\ncommand_line.parse({FACTORY})\nprint('argparse' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"


def test_everything_that_a_command_line_says_is_answered():
    assert command_line.parse(FACTORY) == Given(
        {
            ("queue", "name"): "Q",
            ("queue", "label"): "managed",
            ("server", "url"): "https://a",
            ("server", "port"): 25443,
            ("log", "debug"): True,
            ("harvester", "submit_mode"): "PULL",
            ("queue", "same_task"): False,
            ("job", "keep_workdir"): True,
            ("job", "workflow"): "generic",
            ("server", "token_file"): "/t",
        },
        "c.yaml",
        ("-t has no effect: the server judges the identity", "-r has no effect: the queue (-q) says it"),
    )


@pytest.mark.parametrize(
    "argv",
    [
        ["-qQ"],
        ["-q=Q"],
        ["-d", "-1"],
        ["-v", "-1"],
        ["-q", "Q", "--", "x"],
        ["-q"],
        ["--noproxyverification=1"],
        ["-w", "walk"],
        ["-p", "many"],
        ["-d", "perhaps"],
        ["stray"],
        [""],
        ["--help"],
        ["--version"],
    ],
)
def test_what_is_unusual_or_wrong_is_left_to_argparse(argv):
    with pytest.raises((KeyError, ValueError)):
        command_line.plain(argv)


WORDS = [
    "",
    "-",
    "--",
    "-1",
    "- x",
    "true",
    "False",
    "Q",
    "3",
    "=",
    "a=b",
    "-dfalse",
    "-qQ",
    "--que",
    "--url=",
    "generic",
]
NAMES = ["--config", "-w", *(name for names, *_ in (*SETTING_OPTIONS, *OBSOLETE) for name in names)]


@pytest.mark.parametrize("seed", range(10))
def test_what_is_read_at_once_is_what_argparse_would_read(seed):
    chosen, read = random.Random(seed), 0
    for _ in range(100):
        argv: list[str] = []
        for name in chosen.sample(NAMES, 2):
            argv.append(name + chosen.choice(["", "", "=true"]))
            argv += chosen.choice([[], ["3"], ["true"], [chosen.choice(WORDS)]])
        try:
            found = command_line.plain(argv)
        except (KeyError, ValueError):
            continue
        read += 1
        assert found == usage.parse(argv), argv
    assert read
