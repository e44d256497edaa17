"""Where PanDA's own tables are: in our database, or, by setting, in that of an existing PanDA, which owns them."""

from __future__ import annotations

from typing import Any

from django.conf import settings

#: The alias of an existing PanDA's database.
PANDA = "panda"

#: The tables that an existing PanDA has; everything else is ours alone.
PANDAS = frozenset({"schedconfig", "schedconfigjson", "cloudconfig", "siteaccess", "pandauser"})


def alias() -> str:
    """Answer the alias of the database that has PanDA's tables."""
    return PANDA if PANDA in settings.DATABASES else "default"


class PandaRouter:
    """Sends questions for PanDA's tables to PanDA's database, and no migration: we never change its schema."""

    def db_for_read(self, model: Any, **_: Any) -> str | None:
        return PANDA if _is_pandas(model._meta.app_label, model._meta.model_name) else None

    db_for_write = db_for_read

    def allow_relation(self, one: Any, other: Any, **_: Any) -> bool | None:
        return None

    def allow_migrate(self, db: str, app_label: str, **_: Any) -> bool | None:
        return False if db == PANDA else None


def _is_pandas(app: str, model: str | None) -> bool:
    return app == "pandaconfig" and model in PANDAS
