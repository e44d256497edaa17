"""The words for what a person does."""

from __future__ import annotations

from django.db import models


class Action(models.TextChoices):
    VIEW = "view", "looked at a page"
    FILTER = "filter", "filtered or searched"
    EXPORT = "export", "took an export"
    ADD = "add", "added"
    CHANGE = "change", "changed"
    DELETE = "delete", "deleted"
    ORDER = "order", "gave an order"
    LOGIN = "login", "logged in"
    LOGOUT = "logout", "logged out"
    REFUSED = "refused", "was refused"


#: What is kept for a shorter time, and may be lost when a process is killed.
FLEETING = frozenset({Action.VIEW, Action.FILTER})
