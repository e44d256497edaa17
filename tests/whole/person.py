"""A person at the pages: logs in, looks at what waits, fills in forms and sends them, as a browser would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import requests

from tests.whole.local_system import PATIENCE

OK, TAKEN = 200, 302


@dataclass
class Form:
    """One form of a page: where it goes, how, and what its fields hold."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    #: What its buttons say, by their names.
    buttons: dict[str, set[str]] = field(default_factory=dict)
    #: Fields that must be filled in before it is sent.
    required: set[str] = field(default_factory=set)


class _Forms(HTMLParser):
    """Reads the forms of a page, each for itself."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open: Form | None = None
        self._select = self._area = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(said.get("action", ""), said.get("method", "get").lower())
            self.forms.append(self._open)
        elif self._open is not None:
            self._field(self._open, tag, said)

    def _field(self, form: Form, tag: str, said: Mapping[str, str]) -> None:
        name, kind = said.get("name", ""), said.get("type", "text")
        if name and "required" in said:
            form.required.add(name)
        if tag == "button" and name:
            form.buttons.setdefault(name, set()).add(said.get("value", ""))
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            if "selected" in said or self._select not in form.fields:
                form.fields[self._select] = said.get("value", "")
        elif tag == "textarea":
            self._area, form.fields[name] = name, ""
        elif tag == "input" and name and kind != "submit" and (kind not in ("checkbox", "radio") or "checked" in said):
            form.fields[name] = said.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._area and self._open is not None:
            self._open.fields[self._area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = ""
        elif tag == "select":
            self._select = ""
        elif tag == "form":
            self._open = None


def forms_of(text: str) -> list[Form]:
    """Answer the forms of a page, in order."""
    return _Forms(text).forms


class NotTaken(Exception):
    """A page does not show what somebody wants to fill in, or does not take what was filled in; the words say which."""


class Person:
    """Somebody who has logged in at a server."""

    def __init__(self, url: str, password: str, name: str = "admin") -> None:
        self._url, self._session = url.rstrip("/"), requests.Session()
        page = f"{self._url}/login"
        form = self._forms(page)[0]
        self._send(page, form, {"username": name, "password": password})

    def look(self, path: str, **asked: str) -> Any:
        """Read what a page shows, from its JSON twin."""
        answer = self._session.get(self._url + path, params={**asked, "json": ""}, timeout=PATIENCE)
        assert answer.status_code == 200, f"{path}: {answer.status_code}: {answer.text[:500]}"
        return answer.json()["data"]

    def fill_in(self, path: str, *, form_with: str, asked: Mapping[str, str], fields: Mapping[str, str]) -> None:
        """Open a page, fill in the form that has a certain field, and send it.

        Args:
            path: The page.
            form_with: The name of a field that the form is known by.
            asked: What stands behind the page's address.
            fields: What is filled in; the form must have all of them.

        Raises:
            NotTaken: there is no such form, or it was not taken.
        """
        answer = self._session.get(self._url + path, params=asked, timeout=PATIENCE)
        found = [form for form in forms_of(answer.text) if form.method == "post" and form_with in form.fields]
        if answer.status_code != OK or not found:
            raise NotTaken(
                f"{path} with {dict(asked)}: {answer.status_code}, no form with {form_with!r}: {answer.text}"
            )
        self._send(answer.url, found[0], fields)

    def _forms(self, url: str) -> list[Form]:
        answer = self._session.get(url, timeout=PATIENCE)
        assert answer.status_code == 200, f"{url}: {answer.status_code}"
        return forms_of(answer.text)

    def _send(self, page: str, form: Form, fields: Mapping[str, str]) -> None:
        there = {*form.fields, *(name for name, words in form.buttons.items() if fields.get(name) in words)}
        assert fields.keys() <= there, f"{page} has the fields {sorted(there)}"
        filled = {**form.fields, **fields}
        left = sorted(name for name in form.required if not filled.get(name))
        assert not left, f"{page}: {', '.join(left)} must be filled in"
        target = urljoin(page, form.action) if form.action else page
        sent = self._session.post(target, filled, timeout=PATIENCE, allow_redirects=False, headers={"Referer": page})
        if sent.status_code != TAKEN:
            raise NotTaken(f"{target} did not take {filled}: {sent.status_code}: {sent.text}")
