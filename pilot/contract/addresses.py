"""Addresses, and words that name some, without what may be a secret there: a password, a signature, a token."""

from __future__ import annotations

import re

_USER = re.compile(r"(?<=://)[^/\s'\"]*@")
_QUERY = re.compile(r"(?<=://)([^?\s'\"]*)\?[^\s'\"]*")
#: What is known to be a secret wherever it stands: servers repeat paths without their scheme, and libraries headers.
_KNOWN = re.compile(r"((?:authz|access_token|X-Amz-[\w-]+)=|\bBearer(?:\s|%20)+)[\w.~+/%=-]{16,}", re.IGNORECASE)


def shown(url: str) -> str:
    """Write an address without its user, and without its query."""
    return _USER.sub("***@", url.partition("?")[0])


def cleaned(words: str) -> str:
    """Write words in which addresses may stand, each without its user and what its query says."""
    words = _USER.sub("***@", _QUERY.sub(r"\1?***", words)) if "://" in words else words
    return _KNOWN.sub(r"\1***", words)
