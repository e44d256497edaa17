"""Settings of the copy tool ``gfal``."""

from __future__ import annotations

from pilot.settings.declaring import Section, choice, key


class Gfal(Section):
    """Storages that are reached by gfal2, with whatever protocols it has plugins for."""

    use: str = choice(
        "auto",
        "bindings",
        "programs",
        help="bindings: gfal2's Python module; programs: gfal-copy and its like; auto: the module if it is there.",
    )
    python: str = key("", help="Python that has the module gfal2; the pilot's own when left out.")
    token_file: str = key("", help="File with a token that storages are shown; $BEARER_TOKEN_FILE when left out.")
    verify: bool = key(True, help="Have gfal2 compare the checksums of both ends of a copy, where the storage has one.")
    streams: int = key(0, "connections", low=0, high=64, help="Connections for one file by gsiftp; 0: as gfal2 has it.")
    connect: float = key(30.0, "s", low=1, help="The longest that XRootD's client tries to connect.")
    options: tuple[str, ...] = key(
        (), help="Options of gfal2 and its plugins, such as 'HTTP PLUGIN:DEFAULT_COPY_MODE=streamed'."
    )
