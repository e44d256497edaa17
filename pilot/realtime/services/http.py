"""Log services that are reached by HTTP: Logstash's http input, and Loki."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Optional

from pilot.realtime.records import as_line
from pilot.realtime.services.base import NotSent, Unwanted

if TYPE_CHECKING:
    import requests

    from pilot.realtime.address import Address
    from pilot.realtime.records import Record
    from pilot.realtime.services.base import Access

#: Of the answers that find a fault with the request, those that may be other ones later.
_PASSING = (401, 403, 404, 408, 429)
#: Of an answer so many bytes are read; after a longer one the connection is made anew.
_SHORT = 4096


class Poster:
    """Posts JSON over a connection that is kept."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._session: Optional[requests.Session] = None

    def post(self, url: str, content: Any, timeout: float, headers: Optional[Mapping[str, str]] = None) -> None:
        """Post. What is answered beside the status counts for nothing, and is in no error: it may repeat what was sent.

        Raises:
            NotSent: no answer, or one that may be another one later.
            Unwanted: the content is refused.
        """
        import requests

        try:
            answer = self._opened().post(
                url, json=content, timeout=timeout, headers=headers, allow_redirects=False, stream=True
            )
        except (requests.RequestException, OSError) as wrong:  # OSError: a file of certificates that is not there
            raise NotSent(f"{type(wrong).__name__}: {_innermost(wrong)}") from wrong
        _let_go(answer, time.monotonic() + timeout)
        if 400 <= answer.status_code < 500 and answer.status_code not in _PASSING:
            raise Unwanted(f"HTTP {answer.status_code}")
        if not 200 <= answer.status_code < 300:
            raise NotSent(f"HTTP {answer.status_code}")

    def _opened(self) -> requests.Session:
        if self._session is None:
            import requests

            access, session = self._access, requests.Session()
            session.trust_env = False  # a .netrc would replace the login
            session.verify = access.authorities or True
            session.cert = access.certificate or None
            session.auth = (access.login, access.password) if access.login else None
            self._session = session
        return self._session

    def close(self) -> None:
        """Let the connection go."""
        if self._session is not None:
            self._session.close()
            self._session = None


def _let_go(answer: requests.Response, until: float) -> None:
    """Read a short answer to its end, so that its connection can be used again; end that of a long or slow one."""
    import requests

    with contextlib.suppress(requests.RequestException, OSError):
        for count, _ in enumerate(answer.iter_content(1)):
            if count >= _SHORT or time.monotonic() > until:
                break
    answer.close()


def _innermost(wrong: BaseException) -> str:
    while isinstance(inner := getattr(wrong, "reason", None) or wrong.__context__, BaseException):
        wrong = inner
    return f"{type(wrong).__name__}: {wrong}"


class Logstash:
    """Logstash's http input: a list of records, each of which becomes an event."""

    def __init__(self, address: Address, access: Access) -> None:
        self._url, self._poster = address.url, Poster(access)

    def send(self, records: Sequence[Record], timeout: float) -> None:
        """Post them."""
        self._poster.post(self._url, list(records), timeout)

    def close(self) -> None:
        """Let the connection go."""
        self._poster.close()


class Loki:
    """Loki's push interface: a stream for each file name, whose lines are the records in JSON."""

    def __init__(self, address: Address, access: Access) -> None:
        self._url, self._poster, self._name = address.url, Poster(access), access.name

    def send(self, records: Sequence[Record], timeout: float) -> None:
        """Push them. The job is no label of its own: Loki keeps an index for each of a label's values."""
        streams: dict[str, list[list[str]]] = {}
        for record in records:
            at = str(int(record["PilotTimeStamp"] * 1e9))
            streams.setdefault(record["file"], []).append([at, as_line(record).decode("ascii")])
        labelled = [
            {"stream": {"service_name": self._name, "file": file}, "values": values} for file, values in streams.items()
        ]
        self._poster.post(self._url, {"streams": labelled}, timeout)

    def close(self) -> None:
        """Let the connection go."""
        self._poster.close()
