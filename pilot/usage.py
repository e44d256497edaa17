"""The command line as argparse reads it: for its help, for whatever is wrong with it, and for rarer ways to write it.

Only imported for these: `pilot.command_line` reads what is usual, in a hundredth of the time.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Callable, NoReturn, Optional

from pilot.contract.exit_codes import ExitCode
from pilot.contract.version import PRODUCT
from pilot.options import FLAGS, OBSOLETE, SETTING_OPTIONS, Given, Unfit, untruth, without_effect
from pilot.settings import SECTIONS


class Parser(argparse.ArgumentParser):
    """Names the right option that is nearest to a wrong one."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, and leave."""
        self.exit(ExitCode.USAGE.value, f"{self.prog}: {message}; see {self.prog} --help\n")

    def nearest(self, option: str) -> str:
        """Answer the hint that belongs to an unknown option."""
        known = [name for action in self._actions for name in action.option_strings]
        import difflib  # only when somebody mistyped

        near = difflib.get_close_matches(option.partition("=")[0], known, n=1)
        return f"; did you mean {near[0]}?" if near else ""


class _Obsolete(argparse.Action):
    """Takes an option, and keeps its name for one line of explanation."""

    def __call__(self, parser: object, namespace: Any, values: object, option_string: Optional[str] = None) -> None:
        namespace.obsolete = [*(namespace.obsolete or ()), without_effect(str(option_string), str(self.help))]


def _told(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """Have argparse tell the words with which a text was refused."""

    @functools.wraps(kind)
    def read(text: str) -> Any:
        try:
            return kind(text)
        except Unfit as wrong:
            raise argparse.ArgumentTypeError(str(wrong)) from None

    return read


def _words(spec: Any, kind: Any) -> str:
    """Answer an option's help: its setting's, with the unit and what holds without it, where that is a number."""
    words = str(spec.metadata["help"])
    if kind is untruth:
        return f"False means: {words[0].lower()}{words[1:]}"
    if type(spec.default) not in (int, float):
        return words
    default = f"{spec.default:.10g} {spec.metadata['unit']}".rstrip()
    return f"{words} Default: {default}.".replace("%", "%%")


def make_parser(
    prog: str = "pilot",
    description: str = "Ask a server for work, run it, report.",
    add_own: Optional[Callable[[Parser], None]] = None,
) -> Parser:
    """Declare every option of a pilot; ``prog`` may be a command that has further ones, which its help tells first."""
    parser = Parser(
        prog=prog,
        description=description,
        epilog="Further: 'pilot settings' shows what may be tuned, 'pilot environment' the node; 'pilot check' says "
        "whether it fits a queue; 'pilot test' runs trivial jobs without a server; 'pilot replay' runs a failed job "
        "again; 'pilot stage-in' and 'pilot stage-out' move files as the pilot of a queue does.",
        allow_abbrev=False,
    )
    if add_own is not None:
        add_own(parser)
    group = parser if add_own is None else parser.add_argument_group("options of every pilot")
    group.add_argument("--version", action="version", version=PRODUCT)
    group.add_argument("--config", metavar="FILE", help="A further file of settings.")
    for names, section, key, kind in SETTING_OPTIONS:
        words = _words(next(spec for spec in fields(SECTIONS[section]) if spec.name == key), kind)
        flag: dict[str, Any] = {"nargs": "?", "const": "true"} if kind in FLAGS else {}
        group.add_argument(*names, dest=f"{section}.{key}", type=_told(kind), help=words, metavar="X", **flag)
    for names, valued, why in OBSOLETE:
        group.add_argument(*names, dest="obsolete", action=_Obsolete, nargs=None if valued else 0, help=why)
    return parser


def parse(argv: Sequence[str]) -> Given:
    """Read any command line. A wrong one is explained in one line on stderr, and ends the program with status 2."""
    parser = make_parser()
    found, unknown = parser.parse_known_args(argv)
    if unknown:
        parser.error(f"{unknown[0]} is not an option{parser.nearest(unknown[0])}")
    return given(found)


def given(found: Any) -> Given:
    """Answer the options of a pilot, of what was parsed."""
    told = {(section, key): getattr(found, f"{section}.{key}") for _, section, key, _ in SETTING_OPTIONS}
    values = {setting: value for setting, value in told.items() if value is not None}
    return Given(values, found.config, tuple(found.obsolete or ()))
