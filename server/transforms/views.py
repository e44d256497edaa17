"""Transformations as pilots fetch them: by name, or by hash and name for who keeps them for ever."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from server.accounts.rules import everyone
from server.transforms.served import transform

#: Seconds for which web caches may hand out a file without asking, by its name alone.
SHORT, LONG = 300, 31536000


@everyone(because="stock pilots fetch it without an identity; it holds no secrets")
@require_safe
def fetch(request: HttpRequest, name: str, sha256: str = "") -> HttpResponse:
    """Answer a transformation; under the hash of another version there is none."""
    found = transform(name)
    if found is None or (sha256 and sha256 != found.sha256):
        return HttpResponse(f"there is no transformation {name} here, or not this version\n", "text/plain", status=404)
    tag = f'"{found.sha256}"'
    answer = HttpResponse(found.content, content_type=found.kind)
    answer["ETag"] = tag
    answer["Cache-Control"] = f"public, max-age={LONG}, immutable" if sha256 else f"public, max-age={SHORT}"
    return get_conditional_response(request, etag=tag, response=answer) or answer
