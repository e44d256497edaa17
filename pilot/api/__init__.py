"""Public interfaces for other tools, under semantic versioning of their own."""

from __future__ import annotations

#: The version of what `PUBLIC` names. The first number rises when a program that uses it might have to change, the
#: second when something is added.
__version__ = "1.2.0"
#: The public modules. What else lies in this package serves the pilot, and may change at any time.
PUBLIC = (
    "analytics",
    "communicator",
    "container",
    "data",
    "environment",
    "event_client",
    "replies",
    "services",
    "shared_files",
)
