"""Uploads as jobs fetch them: by name alone, at the address of PanDA's cache."""

from __future__ import annotations

from typing import cast

from django.http import FileResponse, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from server.accounts.rules import everyone
from server.uploads import logic, queries


@everyone(because="jobs fetch it without an identity; its name holds a number that nobody guesses")
@require_safe
def fetch(request: HttpRequest, name: str) -> HttpResponse:
    """Answer a file that a user sent along with a job."""
    upload = queries.by_name(name) if logic.is_name(name) else None
    try:
        file = None if upload is None else (logic.folder() / upload.name).open("rb")
    except FileNotFoundError:  # it was removed just now
        file = None
    if file is None:
        return HttpResponse(f"there is no file {name} here, or its days are over\n", "text/plain", status=404)
    sent = FileResponse(file, as_attachment=True, filename=name, content_type="application/octet-stream")
    return cast(HttpResponse, sent)  # it has everything that a view's answer needs
