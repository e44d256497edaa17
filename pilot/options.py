"""The command line of the pilot: Pilot 2's options and pilot3's long names for them, each a setting."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, NoReturn, Optional

from pilot.contract.exit_codes import ExitCode
from pilot.contract.version import PRODUCT
from pilot.settings import SECTIONS, Layer

ORIGIN = "command line"


def _truth(text: str) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    try:
        return words[text.lower()]
    except KeyError:
        raise argparse.ArgumentTypeError(f"{text!r} is not true or false") from None


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _untruth(text: str) -> bool:
    return not _truth(text)


#: (options, section, key, type): what sets a setting. Its help is the setting's.
SETTING_OPTIONS: tuple[tuple[tuple[str, ...], str, str, Any], ...] = (
    (("-q", "--queue"), "queue", "name", str),
    (("-j", "--joblabel"), "queue", "label", str),
    (("--url",), "server", "url", str),
    (("-p", "--port"), "server", "port", int),
    (("--dialect",), "server", "dialect", str),
    (("--token-file",), "server", "token_file", str),
    (("--cacert",), "server", "certificate", str),
    (("--capath",), "server", "authorities", str),
    (("-z", "--noserverupdate"), "server", "updates", _untruth),
    (("--queuedata-url",), "queue", "data_url", str),
    (("--storagedata-url",), "queue", "storage_url", str),
    (("--workinggroup", "--working-group"), "queue", "working_group", str),
    (("--countrygroup", "--country-group"), "queue", "country_group", str),
    (("--allowothercountry", "--allow-other-country"), "queue", "allow_other_country", _truth),
    (("--allowsameuser", "--allow-same-user"), "queue", "same_task", _truth),
    (("--job-type",), "queue", "job_type", str),
    (("--resource-type",), "queue", "resource_type", str),
    (("-a", "--workdir"), "job", "workdir", str),
    (("--job-file",), "job", "file", str),
    (("-g", "--baseurls"), "verify", "transformation_urls", _listed),
    (("-l", "--lifetime"), "job", "lifetime", float),
    (("-L", "--leasetime"), "job", "lease", float),
    (("-v", "--getjobrequests"), "job", "requests", int),
    (("-x", "--getjobfailures"), "job", "failures", int),
    (("--cleanup",), "job", "keep_workdir", _untruth),
    (("--heartbeat",), "monitor", "heartbeat", float),
    (("--stageout-attempts",), "copy", "attempts", int),
    (("--pilotuser", "--pilot-user"), "plugins", "user", str),
    (("--harvester-workdir",), "harvester", "workdir", str),
    (("--harvester-datadir",), "harvester", "datadir", str),
    (("--harvester-workerattributes",), "harvester", "worker_attributes", str),
    (("--harvester-eventstatusdump",), "harvester", "event_status_dump", str),
    (("--harvester-submit-mode",), "harvester", "submit_mode", str.upper),
    (("-k", "--noworkerpilotstatusupdate"), "harvester", "status", _untruth),
    (("-d", "--debug"), "log", "debug", _truth),
)

#: (options, takes a value, why it does nothing): taken so that existing wrappers and factories work unchanged.
OBSOLETE: tuple[tuple[tuple[str, ...], bool, str], ...] = (
    (("-r", "--resource"), True, "the queue (-q) says it"),
    (("-s", "--site"), True, "the queue (-q) says it"),
    (("-i", "--versiontag"), True, "there is one version; the wrapper chooses which"),
    (("-t", "--noproxyverification"), False, "the server judges the identity"),
    (("-u", "--verifypayloadproxy"), False, "payloads get no proxy"),
    (("-b", "--nocvmfs"), False, "plugins look for what they need"),
    (("--use-https",), True, "the address (--url) says it"),
    (("--no-pilot-log",), False, "the log is a file in the pilot's folder, and nowhere else"),
    (("--redirect-stdout",), True, "the pilot prints nothing but its last line"),
    (("-y", "--notokenrenewal"), False, "a token is renewed where credentials.token_key_file names a key"),
    (("--subscribe-to-msgsvc",), False, "the server is asked for jobs, and answers with its commands"),
    (("--use-realtime-logging",), False, "the last lines of a payload are in each report"),
    (("--realtime-logging-server",), True, "the last lines of a payload are in each report"),
    (("--realtime-logname",), True, "the last lines of a payload are in each report"),
    (("--use-rucio-traces",), True, "no traces are sent"),
    (("--rucio-host",), True, "no traces are sent"),
)

#: The only workflow of `-w`.
WORKFLOWS = ("generic", "production", "analysis")


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
        namespace.obsolete = [*(namespace.obsolete or ()), f"{option_string} has no effect: {self.help}"]


def make_parser() -> Parser:
    """Declare every option."""
    parser = Parser(
        prog="pilot",
        description="Ask a server for work, run it, report.",
        epilog="Further: 'pilot settings' shows what may be tuned, 'pilot environment' the node; 'pilot check' says "
        "whether it fits a queue; 'pilot test' runs trivial jobs without a server; 'pilot replay' runs a failed job "
        "again.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=PRODUCT)
    parser.add_argument("--config", metavar="FILE", help="A further file of settings.")
    parser.add_argument("-w", "--workflow", choices=WORKFLOWS, help="There is one workflow; its names are the same.")
    for names, section, key, kind in SETTING_OPTIONS:
        words = next(spec.metadata["help"] for spec in fields(SECTIONS[section]) if spec.name == key)
        if kind is _untruth:
            words = f"False means: {words[0].lower()}{words[1:]}"
        truth = {"nargs": "?", "const": kind("true")} if kind in (_truth, _untruth) else {}
        parser.add_argument(*names, dest=f"{section}.{key}", type=kind, help=words, metavar="X", **truth)
    for names, valued, why in OBSOLETE:
        parser.add_argument(*names, dest="obsolete", action=_Obsolete, nargs=None if valued else 0, help=why)
    return parser


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read a command line. A wrong one is explained in one line on stderr, and ends the program with status 2."""
    parser = make_parser()
    found, unknown = parser.parse_known_args(argv)
    if unknown:
        parser.error(f"{unknown[0]} is not an option{parser.nearest(unknown[0])}")
    return found


def as_layer(found: argparse.Namespace) -> Layer:
    """Answer the options that were given as a layer of settings."""
    sections: dict[str, dict[str, Any]] = {}
    for _, section, key, _ in SETTING_OPTIONS:
        if (value := getattr(found, f"{section}.{key}")) is not None:
            sections.setdefault(section, {})[key] = value
    return ORIGIN, sections
