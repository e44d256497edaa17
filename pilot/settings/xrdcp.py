"""Settings of the copy tool ``xrdcp``: XRootD's client."""

from __future__ import annotations

from pilot.settings.declaring import Section, choice, key


class Xrdcp(Section):
    """Storages that are reached by XRootD's own client."""

    way: str = choice(
        "auto",
        "bindings",
        "programs",
        help="bindings: XRootD's Python module; programs: xrdcp and xrdfs; auto: the module if it is there.",
    )
    python: str = key("", help="Python that has the module XRootD; the pilot's own when left out.")
    streams: int = key(1, low=1, high=15, help="Connections that share the bytes of one file; more help on long ways.")
    connect: float = key(30.0, "s", low=1, help="The longest that a connection may take to be made.")
    silence: float = key(60.0, "s", low=1, help="A server that says nothing for so long is given up.")
    options: tuple[str, ...] = key(
        (), help="Further options of the program xrdcp, such as --tlsnodata; with any, auto means programs."
    )
