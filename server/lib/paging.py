"""Pages of long tables: rows are counted up to a limit, so that a first page costs the same however many there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.paginator import Paginator
from django.utils.functional import cached_property

if TYPE_CHECKING:
    Pages = Paginator[Any]
else:
    Pages = Paginator

#: Rows that are counted; further ones are found by filters.
MOST = 10_000


class Bounded(Pages):
    """Django's own, which counts all rows."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:MOST].count())
