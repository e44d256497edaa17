"""An import-linter contract that reads the table "who may import whom": an allow-list, one row per package."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

Rows = dict[str, tuple[str, ...]]


def read_rows(lines: list[str]) -> Rows:
    """Read ``importer <- allowed allowed ...`` lines.

    Raises:
        ValueError: a line has no arrow, or a package has two rows.
    """
    rows: Rows = {}
    for line in lines:
        importer, arrow, allowed = line.partition("<-")
        if not arrow or importer.strip() in rows:
            raise ValueError(f"{line!r}: a row is `package <- what it may import`, one per package")
        rows[importer.strip()] = tuple(allowed.split())
    return rows


def lies_in(module: str, package: str) -> bool:
    """Say whether a module is the package or lies below it; ``*`` in the package stands for one name."""
    names, wanted = module.split("."), package.split(".")
    return len(names) >= len(wanted) and all(map(fnmatchcase, names, wanted))


def owners(module: str, rows: Rows) -> list[str]:
    """Answer the rows that a module falls under."""
    return [package for package in rows if lies_in(module, package)]


def allowed_by(rows: Rows, importer: str, imported: str) -> bool:
    """Say whether some row of the importer is, or names, a home of the imported module."""
    own = owners(importer, rows)
    return any(
        lies_in(imported, home)
        for package in own
        # A row with a star adds to the rows of the packages it matches; it is nobody's home.
        for home in (*rows[package], *(() if "*" in package else (package,)))
    )


class MayImport(Contract):
    """Every import inside the product is one that a row allows; every module falls under a row."""

    type_name = "may_import"
    rows = fields.ListField(subfield=fields.StringField())
    libraries = fields.ListField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        output.verbose_print(verbose, "Holding each direct import against the rows.")
        found = [
            *unlisted(graph, self._roots(), read_rows(self.rows)),
            *against_rows(graph, self._roots(), read_rows(self.rows)),
            *against_libraries(graph, self._roots(), read_rows(self.libraries or [])),
        ]
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for line in check.metadata["found"]:
            output.print_error(line)

    def _roots(self) -> tuple[str, ...]:
        return tuple(self.session_options["root_packages"])


def ours(graph: ImportGraph, roots: tuple[str, ...]) -> Iterator[str]:
    return (module for module in sorted(graph.modules) if module.split(".")[0] in roots)


def unlisted(graph: ImportGraph, roots: tuple[str, ...], rows: Rows) -> Iterator[str]:
    for module in ours(graph, roots):
        if module not in roots and not any("*" not in owner for owner in owners(module, rows)):
            yield f"{module} falls under no row: say in pyproject.toml what it may import"


def against_rows(graph: ImportGraph, roots: tuple[str, ...], rows: Rows) -> Iterator[str]:
    for importer in ours(graph, roots):
        for imported in sorted(graph.find_modules_directly_imported_by(importer)):
            # The empty root of a package carries nothing.
            if imported.split(".")[0] not in roots or imported in roots or allowed_by(rows, importer, imported):
                continue
            for place in graph.get_import_details(importer=importer, imported=imported):
                yield f"{importer}:{place['line_number']} may not import {imported}"


def against_libraries(graph: ImportGraph, roots: tuple[str, ...], libraries: Rows) -> Iterator[str]:
    for importer in ours(graph, roots):
        nearest = max(owners(importer, libraries), key=len, default=None)
        if nearest is None:
            continue
        known = {*roots, *sys.stdlib_module_names, *libraries[nearest]}
        for imported in sorted(graph.find_modules_directly_imported_by(importer)):
            if imported.split(".")[0] not in known:
                own = ", ".join(("the standard library", *libraries[nearest]))
                yield f"{importer} may not use {imported}: {nearest} has only {own}"
