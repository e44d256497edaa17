"""One report on a job, as it is sent: its text, and what rides in headers beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Optional
from urllib.parse import quote

from pilot.contract import routes
from pilot.contract.codec import Dialect, decode, encode
from pilot.contract.messages import JobUpdate
from pilot.contract.named import NamedTuple


class Report(NamedTuple):
    """One report on a job: the same text each time it is repeated.

    The text is in one dialect, as journals keep it; it is turned into the other one for a server that wants that.
    ``progress`` is ``done/total`` of a running job, ``shown`` the server's command that its ``stdout`` answers.
    """

    text: str
    progress: Optional[str] = None
    shown: str = ""

    def said_in(self, dialect: Dialect) -> str:
        """Answer the text in a dialect.

        Raises:
            ContractError: it is no report.
        """
        said = json.loads(self.text)
        own = Dialect.V1 if "job_id" in said else Dialect.LEGACY
        return self.text if own is dialect else json.dumps(encode(decode(JobUpdate, said, own), dialect))

    @property
    def headers(self) -> Mapping[str, str]:
        """Answer what is said beside the text, in letters that a header can hold."""
        said = {routes.PROGRESS: self.progress, routes.SHOWN: quote(self.shown, safe=" /", errors="replace")}
        return {name: value for name, value in said.items() if value}


def written(said: Mapping[str, Any]) -> str:
    """Write JSON that every server can read: names of files that are no UTF-8 have halves of characters in them."""
    text = json.dumps(said)
    if "\\ud" not in text:
        return text
    return json.dumps(json.loads(json.dumps(said, ensure_ascii=False).encode("utf-8", "replace")))
