"""Settings of the copy tool ``lsm``: the site's own programs."""

from __future__ import annotations

from pilot.settings.declaring import Section, key


class Lsm(Section):
    """The site's own programs for its storage (local site mover): each a program and its first arguments."""

    get: tuple[str, ...] = key(("lsm-get",), help="Fetches: [--size N] [--checksum adler32:HEX] SOURCE TARGET.")
    put: tuple[str, ...] = key(
        ("lsm-put",), help="Stores: [-t TOKEN] [--size N] [--checksum adler32:HEX] SOURCE TARGET; makes folders."
    )
    stat: tuple[str, ...] = key(
        (), help="Prints the size of URL in bytes; without it files are fetched to be measured."
    )
    checksum: tuple[str, ...] = key(
        (), help="Prints ALGORITHM:HEX of URL, given --type ALGORITHM; without it files are fetched to be summed up."
    )
    rename: tuple[str, ...] = key(
        (), help="Renames SOURCE to TARGET, never over a file; without it put is to be whole."
    )
    remove: tuple[str, ...] = key((), help="Removes URL; without it nothing is removed, nor replaced.")
    token: str = key("", help="The space token that files are stored under; that of the queue goes before it.")
    options: bool = key(True, help="Tell get and put size and checksum, where they are known.")
