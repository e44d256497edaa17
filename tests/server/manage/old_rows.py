"""Rows of a server as they were at one time: kept from a home by the code of that time, and put into a database of now.

They are kept by that code itself, beside a home that has lived (``compass demo``):
``COMPASS_SERVER_HOME=... python old_rows.py keep rows.json.gz``; and put by
``python -m tests.server.manage.old_rows put rows.json.gz``, into an empty database that stands at their migrations.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
from pathlib import Path
from typing import Any

#: Rows of one table, at most; and tables that say nothing of a server's life.
MOST = 400
LEFT_OUT = {"sessions.session", "django_celery_results.taskresult", "contenttypes.contenttype", "auth.permission"}


def keep(file: Path) -> None:
    """Write all rows of the database that the settings name."""
    from django.apps import apps
    from django.db import connection
    from django.db.migrations.recorder import MigrationRecorder

    applied: dict[str, str] = {}
    for app, name in MigrationRecorder(connection).applied_migrations():
        applied[app] = max(applied.get(app, ""), name)
    rows = {}
    for model in apps.get_models():
        label = model._meta.label_lower
        if label in LEFT_OUT or not model._meta.managed:
            continue
        names = [field.attname for field in model._meta.concrete_fields]
        found = list(model._base_manager.order_by("pk").values(*names)[:MOST])
        if found:
            rows[label] = [{name: _plain(value) for name, value in row.items()} for row in found]
    with gzip.GzipFile(file, "wb", mtime=0) as packed:
        packed.write(json.dumps({"migrations": applied, "rows": rows}, default=str, sort_keys=True).encode())


def _plain(value: Any) -> Any:
    return {"bytes": bytes(value).hex()} if isinstance(value, bytes | memoryview) else value


def put(file: Path) -> dict[str, int]:
    """Make an empty database what it was then, and put the rows into it; answer how many of each table."""
    from django.core.management.color import no_style
    from django.db import connection, transaction
    from django.db.migrations.executor import MigrationExecutor

    said = json.loads(gzip.decompress(file.read_bytes()))
    executor = MigrationExecutor(connection)
    targets = list(said["migrations"].items())
    executor.migrate(targets)
    then = executor.loader.project_state(targets).apps
    with transaction.atomic(), connection.constraint_checks_disabled():
        for label, rows in said["rows"].items():
            model = then.get_model(label)
            model._base_manager.all().delete()  # what its migrations have made is among the rows
            names = {field.attname: field for field in model._meta.concrete_fields}
            made = [model(**{name: _read(names[name], value) for name, value in row.items()}) for row in rows]
            model._base_manager.bulk_create(made, batch_size=50)
            kept = [(row["pk"] if "pk" in row else row[model._meta.pk.attname], row) for row in rows]
            for key, row in kept:  # what Django fills in with the present time
                now = {n: _read(names[n], row[n]) for n in row if getattr(names[n], "auto_now", False)}
                if now:
                    model._base_manager.filter(pk=key).update(**now)
        models = [then.get_model(label) for label in said["rows"]]
        with connection.cursor() as cursor:
            for statement in connection.ops.sequence_reset_sql(no_style(), models):
                cursor.execute(statement)
    return {label: len(rows) for label, rows in said["rows"].items()}


def _read(field: Any, value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"bytes"}:
        return bytes.fromhex(value["bytes"])
    if field.get_internal_type() == "JSONField" or field.is_relation:
        return value
    return field.to_python(value)


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "server.settings")
    django.setup()
    if sys.argv[1] == "keep":
        keep(Path(sys.argv[2]))
    else:
        print(json.dumps(put(Path(sys.argv[2]))))
