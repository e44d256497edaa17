"""Settings of a pilot that brings inputs and waits (the workflow stager)."""

from __future__ import annotations

from pilot.settings.declaring import Section, key


class Stager(Section):
    """Bringing a job's inputs for somebody beside the pilot, such as a notebook, until he is done."""

    done: str = key("done", help="File in a job's directory that says that its user is done.")
    look: float = key(5.0, "s", low=0.05, help="Time between two looks for that file.")
    command: tuple[str, ...] = key(
        (), help="Program, and its arguments, that is the user: its outputs are stored when it ends, or the lease does."
    )
