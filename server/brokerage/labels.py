"""Which kinds of jobs a pilot may have, by the label that it asks with: PanDA's sets."""

from __future__ import annotations

_TEST = frozenset({"prod_test", "install", "test"})
_SETS = {
    "": frozenset({"managed", "test", "prod_test", "install"}),
    "managed": frozenset({"managed", "test", "prod_test", "install"}),
    "user": frozenset({"user", "panda", "install"}),
    "unified": frozenset({"managed", "test", "prod_test", "install", "user", "panda"}),
}
_TURNED_TO_TEST = frozenset({"", "user", "managed", "unified"})


def labels_for(asked: str | None, *, queue_status: str = "online", computing_element: str = "") -> frozenset[str]:
    """Answer the labels of jobs that a pilot may be given.

    Args:
        asked: ``prodSourceLabel`` of its request; nothing means ``managed``.
        queue_status: A queue under ``test`` gets test jobs only.
        computing_element: Names the queue too; without it, ``test`` means just that label.
    """
    label = asked or ""
    if queue_status == "test" and label in _TURNED_TO_TEST:
        label = "test"
    if label == "test" and computing_element:
        return _TEST
    return _SETS.get(label, frozenset({label}))
