"""Fetches rows from an address that an administrator of the machine has allowed."""

from __future__ import annotations

import requests
from django.conf import settings

#: Seconds without a word, and bytes of an answer, at most.
PATIENCE, MOST = 30, 64 * 2**20


class NotFetched(ValueError):
    """What lies at an address is not taken; the text says why."""


def fetch(address: str) -> str:
    """Answer the text at an address.

    Raises:
        NotFetched: the address is not allowed, or nothing good came from it.
    """
    allowed = settings.ENVIRONMENT.import_addresses.split()
    if not any(_is_under(address, prefix) for prefix in allowed):
        known = f"allowed are those that begin with {', '.join(allowed)}" if allowed else "none is allowed"
        raise NotFetched(f"{address}: {known}; COMPASS_SERVER_IMPORT_ADDRESSES says which; or give the file itself")
    try:
        with requests.get(address, timeout=PATIENCE, stream=True, allow_redirects=False) as answer:
            if answer.status_code != 200:
                where = f" to {answer.headers['Location'][:100]}" if answer.is_redirect else ""
                raise NotFetched(f"{address} answers {answer.status_code}{where}; nothing was taken")
            pieces, size = [], 0
            for piece in answer.iter_content(2**16):
                size += len(piece)
                if size > MOST:
                    raise NotFetched(f"{address} sends more than {MOST} bytes; nothing was taken")
                pieces.append(piece)
    except requests.RequestException as wrong:
        raise NotFetched(f"{address} cannot be read: {wrong}") from wrong
    try:
        return b"".join(pieces).decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        raise NotFetched(f"{address} sends no text in UTF-8") from wrong


def _is_under(address: str, prefix: str) -> bool:
    """Say whether an address begins so, within its host: https://a must not allow https://a.elsewhere."""
    whole = prefix if prefix.count("/") > 2 else f"{prefix}/"
    return address == prefix or address.startswith(whole)
