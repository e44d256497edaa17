"""Sessions with web servers: as the settings say, and as nothing else does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import requests

    from pilot.settings import Server

#: What a connection begins at, by version of the internet protocol: it can lead nowhere in the other version then.
_OWN_END = {"4": "0.0.0.0", "6": "::"}  # noqa: S104 (nothing listens there)


def session(server: Server, ip_version: str = "auto") -> requests.Session:
    """Make a session that no variable and no file of the node's changes: they are meant for others.

    Args:
        server: Whose authorities, and which web proxy.
        ip_version: ``4`` or ``6``, where connections are to be made by this version of the internet protocol alone. By
            any other word both are tried, one after the other, which takes long where one of them leads nowhere.
    """
    import requests

    made = requests.Session()
    made.trust_env = False
    if server.authorities:
        made.verify = server.authorities
    if server.web_proxy:
        made.proxies = {"http": server.web_proxy, "https": server.web_proxy}
    if ip_version in _OWN_END:
        _restrict(made, _OWN_END[ip_version])
    return made


def _restrict(made: requests.Session, own_end: str) -> None:
    from requests.adapters import HTTPAdapter

    class OneVersion(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **more: Any) -> None:
            super().init_poolmanager(*args, **more, source_address=(own_end, 0))

        def proxy_manager_for(self, *args: Any, **more: Any) -> Any:
            return super().proxy_manager_for(*args, **more, source_address=(own_end, 0))

    for scheme in ("http://", "https://"):
        made.mount(scheme, OneVersion())
