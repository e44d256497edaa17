"""Reading what the address of a page asks for: known names, one of some words, whole numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse

from pilot.contract.codec import ContractError
from server.lib.http import refusal
from server.lib.pages import wants_json
from server.monitor.paging import page


class Asked:
    """What an address asks for, by name; every name has to be known, and each value to be one that can be."""

    def __init__(self, request: HttpRequest, *names: str) -> None:
        """Read it.

        Raises:
            ContractError: a name is unknown.
        """
        self.said: Mapping[str, str] = {
            name: text.strip() for name, text in request.GET.dict().items() if name != "json"
        }
        for name in self.said:
            if name not in names:
                known = ", ".join(names) or "none"
                raise ContractError(f"{name[:40]}: there is no such filter; there are {known}", field_name=name)

    def text(self, name: str) -> str:
        return self.said.get(name, "")[:200]

    def one_of(self, name: str, words: Collection[str], default: str = "") -> str:
        """Answer one of some words.

        Raises:
            ContractError: it is none of them.
        """
        found = self.text(name) or default
        if found and found not in words:
            raise ContractError(f"{name}: {found[:40]!r} is none of {', '.join(words)}", field_name=name)
        return found

    def number(self, name: str, default: int | None = None) -> int | None:
        """Answer a whole number of up to nine digits.

        Raises:
            ContractError: it is none.
        """
        text = self.text(name)
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise ContractError(f"{name}: {text[:40]!r} is not a whole number of up to 9 digits", field_name=name)
        return int(text)

    def page(self) -> int:
        """Answer which page is asked for, from 1.

        Raises:
            ContractError: it is none.
        """
        return self.number("page", 1) or 1

    def kept(self, *without: str) -> str:
        """Write what is asked for as it stands in an address, without some names, ready for one more."""
        kept = urlencode({name: text for name, text in self.said.items() if text and name not in without})
        return f"{kept}&" if kept else ""


def refused(request: HttpRequest, wrong: ContractError) -> HttpResponse:
    """Say what of an address cannot be answered."""
    if wants_json(request):
        return refusal(request, str(wrong), status=400)
    return page(request, "refused", {"wrong": str(wrong)}, status=400)
