"""Settings of the copy tool ``gridftp``."""

from __future__ import annotations

from pilot.settings.declaring import Section, choice, key


class Gridftp(Section):
    """Storages that are reached by GridFTP, with Globus's globus-url-copy."""

    program: str = key("globus-url-copy", help="The program, by its path or as found on the PATH.")
    streams: int = key(0, "connections", low=0, high=64, help="Connections for one file; 0: one, as Globus has it.")
    protection: str = choice(
        "none", "authenticate", "integrity", "privacy", help="What is done to data on their way; none is the fastest."
    )
    options: tuple[str, ...] = key((), help="Further options of the program, such as '-tcp-bs 4194304' as two.")
