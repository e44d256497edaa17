"""Owns every thread of the pilot: starts them, hears when one keeps breaking, and ends them in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Callable

from pilot.control.component import END, Component


class Supervisor:
    """``gave_up`` is called, in the thread that ends, with the name of a component that broke too often."""

    def __init__(self, components: Sequence[Component], gave_up: Callable[[str], None]) -> None:
        self._components, self._gave_up = list(components), gave_up
        self._threads = [self._thread(component) for component in components]

    def _thread(self, component: Component) -> threading.Thread:
        return threading.Thread(target=self._run, args=(component,), name=component.name, daemon=True)

    def _run(self, component: Component) -> None:
        if not component.run():
            self._gave_up(component.name)

    def start(self) -> None:
        """Start every thread."""
        for thread in list(self._threads):
            thread.start()

    def add(self, component: Component) -> None:
        """Start one more, in any thread: it was not needed before, and nobody misses it should it keep breaking."""
        thread = threading.Thread(target=component.run, name=component.name, daemon=True)
        thread.start()
        self._threads.append(thread)
        self._components.append(component)

    def close(self, within: float) -> list[str]:
        """Let each component end what is queued, in the order given; name those that live on after ``within`` s."""
        deadline = time.monotonic() + within
        for component in list(self._components):
            component.inbox.put(END)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return self.alive()

    def alive(self) -> list[str]:
        """Name the threads that have not ended."""
        return [thread.name for thread in self._threads if thread.is_alive()]
