"""The application as a worker of ``compass-server serve`` loads it: it ends when the server process ends."""

from __future__ import annotations

import ctypes
import gc
import importlib
import multiprocessing
import os
import signal

from django.conf import settings

from server import wsgi
from server.dispatcher.files import largest_body
from server.manage.gateway import Gateway
from server.manage.stand_in import EVERY, stand_in
from server.uploads.logic import folder

__all__ = ["application"]

_PR_SET_PDEATHSIG = 1

#: New objects after which Python looks for garbage in rings: usual calls leave none, and those of many jobs make much.
NEW_OBJECTS = 20_000


def end_with_parent() -> None:
    """Let the kernel end this worker with the process that started it.

    A worker that outlived a killed server would keep its port, and the next server could not start.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is not None and os.getppid() != parent.pid:
        os.kill(os.getpid(), signal.SIGKILL)  # it was killed before the kernel knew


end_with_parent()
application = Gateway(
    wsgi.application, body_limit=settings.ENVIRONMENT.body_limit, by_socket=bool(settings.ENVIRONMENT.socket)
)
application.take_large(largest_body, folder())
application.do_beside(stand_in, every=EVERY)
importlib.import_module(settings.ROOT_URLCONF)  # rather now than when the first call waits for it
# What was loaded stays as long as the worker: nobody has to look through it for garbage, again and again.
gc.collect()
gc.freeze()
gc.set_threshold(NEW_OBJECTS, 10, 10)
