"""Settings of the copy tool ``scp``: OpenSSH's clients."""

from __future__ import annotations

from pilot.settings.declaring import Section, choice, key


class Scp(Section):
    """Storages that are reached by OpenSSH's ``scp`` and ``ssh``."""

    config: str = key("", help="A configuration file of OpenSSH that is read instead of the user's and the machine's.")
    identity_file: str = key("", help="File of the private key, without a passphrase; no other one is tried then.")
    known_hosts: str = key("", help="A file of the hosts' keys, instead of the user's and the machine's.")
    host_keys: str = choice(
        "strict", "new", "any", help="Hosts that are talked to: known ones; new ones too, which are noted; any."
    )
    protocol: str = choice("sftp", "scp", help="What scp speaks: SFTP, or its own older protocol (-O).")
    connect: float = key(30.0, "s", low=1, help="The longest that a connection may take to be made.")
    silence: float = key(60.0, "s", low=3, help="A server that says nothing for so long is given up.")
    kept: float = key(
        30.0,
        "s",
        low=0,
        help="Steps and small files share a connection, which ends when not used for so long; 0: each has its own.",
    )
