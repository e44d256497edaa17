"""Whether a database's tables are those of the program: it may be older, or newer than that."""

from __future__ import annotations

from typing import Any

from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder


def known() -> set[str]:
    """Answer the migrations that this program has, and those that were squashed into them, as ``app.name``."""
    disk = MigrationLoader(None).disk_migrations or {}
    found = [*disk, *(old for migration in disk.values() for old in migration.replaces)]
    return {f"{app}.{name}" for app, name in found}


def missing(connection: Any) -> list[str]:
    """Answer the migrations that the database lacks, in their order."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def unknown(connection: Any) -> list[str]:
    """Answer the migrations that the database has, and that this program does not know."""
    applied = {f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations()}
    return sorted(applied - known())


def unfit(connection: Any) -> str:
    """Say why the program cannot work on a database, and what helps; "" when it can."""
    if there := unknown(connection):
        words = f"the database is newer than the program, which does not know {there[-1]}"
        more = f" and {len(there) - 1} others" if len(there) > 1 else ""
        return f"{words}{more}; install the version that it was upgraded by, or restore a backup of before"
    if missing(connection):
        return "the database is older than the program; run `compass-server init` first"
    return ""
