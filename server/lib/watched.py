"""The outermost of what a request passes through: it gets a name, is timed and counted, and is told to the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from server.lib import logs, metrics

log = logging.getLogger(__name__)

#: A call that takes longer than this many seconds is told as a warning.
SLOW = 5.0

#: The name of a request, as a web server in front gives it, and as it is answered.
HEADER = "X-Request-Id"
_META = "HTTP_X_REQUEST_ID"
#: The trace that the call belongs to: as our pilot says it, or as others do.
_TRACES = ("HTTP_X_COMPASS_TRACE", "HTTP_TRACEPARENT")


class Watched:
    """Django's middleware; costs some microseconds per call."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        name = logs.begin(request.META.get(_META, ""))
        for header in _TRACES:
            if (said := request.META.get(header)) and (trace := logs.trace_in(said)):
                logs.about(trace=trace)
                break
        response = self._get_response(request)
        seconds = time.perf_counter() - began
        found = request.resolver_match
        metrics.answered("(none)" if found is None else found.route, response.status_code, seconds)
        response.headers[HEADER] = name
        level = logging.DEBUG if seconds < SLOW else logging.WARNING
        if log.isEnabledFor(level):
            words = "%s %s answered %d in %.1f ms"
            log.log(level, words, request.method, request.path, response.status_code, 1000 * seconds)
        return response
