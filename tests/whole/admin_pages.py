"""The admin's pages as a browser uses them: somebody logs in, opens a form, changes what is in it, and saves."""

from __future__ import annotations

from html.parser import HTMLParser

import requests

from tests.whole.local_system import PATIENCE


class Form(HTMLParser):
    """What the fields of a page's forms hold, by name; buttons are left out."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._select = self._area = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        name, kind = said.get("name", ""), said.get("type", "text")
        if tag == "select":
            self._select = name
        elif tag == "option" and self._select and "selected" in said:
            self.fields[self._select] = said["value"]
        elif tag == "textarea":
            self._area, self.fields[name] = name, ""
        elif tag == "input" and name and kind != "submit" and (kind not in ("checkbox", "radio") or "checked" in said):
            self.fields[name] = said.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._area:
            self.fields[self._area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = ""
        elif tag == "select":
            self._select = ""


class AdminPages:
    """The pages of one server, for somebody who has logged in."""

    def __init__(self, url: str, password: str, name: str = "admin") -> None:
        self._url, self._session = url.rstrip("/"), requests.Session()
        self._save("/login", username=name, password=password)

    def change(self, path: str, **fields: str) -> None:
        """Change fields of what a page shows; the page must have them, and take them."""
        self._save(path, **fields)

    def _save(self, path: str, **fields: str) -> None:
        page = self._session.get(self._url + path, timeout=PATIENCE)
        assert page.status_code == 200, f"{path}: {page.status_code}"
        shown = Form(page.text).fields
        assert fields.keys() <= shown.keys(), f"{path} has the fields {sorted(shown)}"
        saved = self._session.post(self._url + path, {**shown, **fields}, timeout=PATIENCE, allow_redirects=False)
        assert saved.status_code == 302, f"{path} was not saved: {saved.text}"
