"""The program: from argv to a pilot or one of the further commands, and from an error to an exit status.

What is to be done is known before anything of the pilot is imported.
"""

from __future__ import annotations

import errno
import gc
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

#: Commands that print what they have to say: module and function.
PRINTING = {
    "check": ("pilot.check.program", "main"),
    "test": ("pilot.trial", "main"),
    "replay": ("pilot.replay", "main"),
    "stage-in": ("pilot.stage", "stage_in"),
    "stage-out": ("pilot.stage", "stage_out"),
}


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run the pilot, or one of its further commands; answer the shell status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and not words[0].startswith("-"):  # a command, whatever it is called
        return carry_out(words)
    # Importing makes no garbage, and to look for it takes a tenth of the start; `life.run` lets it begin.
    gc.disable()
    try:
        return carry_out(words)
    finally:
        gc.enable()


def carry_out(words: Sequence[str]) -> int:
    """Do what the words say; answer the shell status, and tell what went wrong."""
    from pilot.contract.codes import ErrorCode
    from pilot.contract.exit_codes import exit_code
    from pilot.errors import JobFailed, PilotError
    from pilot.runtime import streams

    streams.ensure()
    try:
        status = begin(words)
        streams.deliver()
        return status
    except KeyboardInterrupt:  # of a command; a pilot hears its signals
        return streams.say("interrupted", 128 + signal.SIGINT)
    except PilotError as error:
        return streams.say(f"{error}; {error.code.advice}", exit_code([error.code]))
    except BrokenPipeError:  # whoever read what a command prints has had enough
        streams.deliver()
        return 128 + signal.SIGPIPE
    except OSError as wrong:
        full = wrong.errno in (errno.ENOSPC, errno.EDQUOT)
        failed = JobFailed(ErrorCode.NO_LOCAL_SPACE if full else ErrorCode.FILE_HANDLING, str(wrong))
        return streams.say(f"{failed}; {failed.code.advice}", exit_code([failed.code]))


def begin(words: Sequence[str]) -> int:
    """Run one of the further commands, or be a pilot, which does not come back."""
    name, argv = words[:1], words[1:]
    if name and name[0] in PRINTING:
        from importlib import import_module

        module, function = PRINTING[name[0]]
        return int(getattr(import_module(module), function)(argv, print))
    if name == ["settings"]:
        return show_settings(argv)
    if name == ["environment"]:
        return show_environment(argv)
    if name == ["rank"]:
        from pilot.hpc import rank
        from pilot.settings import environment

        return rank.main(argv, environment())
    if name == ["events"]:
        from pilot.api import event_client

        return event_client.main(argv)
    from pilot import life

    return life.run(words)


def show_settings(argv: Sequence[str]) -> int:
    """Print each setting with its value and where that came from; or check one file."""
    from pilot import settings
    from pilot.errors import ConfigError
    from pilot.usage import Parser

    words = "Print each setting with its value and where that comes from. Further options are the pilot's own."
    parser = Parser(prog="pilot settings", description=words, allow_abbrev=False)
    parser.add_argument("--check", nargs="*", metavar="FILE", help="Only say whether this file is fine.")
    found, rest = parser.parse_known_args(argv)
    if found.check is not None:
        if len(found.check) != 1 or rest:
            raise ConfigError("settings --check takes one file")
        settings.load(settings.read_file(Path(found.check[0])))
        print(f"{found.check[0]}: fine")
        return 0
    from pilot import life

    print("\n".join(life.read_settings(rest)[0].lines()))
    return 0


def show_environment(argv: Sequence[str]) -> int:
    """Print what is known of this node, a fact a line or as JSON."""
    import json

    from pilot.api.environment import Environment
    from pilot.errors import ConfigError
    from pilot.usage import Parser

    parser = Parser(prog="pilot environment", description="Print what a pilot knows of this node, a fact a line.")
    parser.add_argument("folder", nargs="?", help="The folder whose disk is looked at (default: the one you are in).")
    parser.add_argument("--json", action="store_true", help="Print it as JSON.")
    found = parser.parse_args(argv)
    if found.folder and not Path(found.folder).is_dir():
        raise ConfigError(f"{found.folder} is not a folder")
    here = Environment(*[Path(found.folder)] if found.folder else ())
    print(json.dumps(here.as_dict(), indent=2) if found.json else "\n".join(here.lines()))
    return 0
