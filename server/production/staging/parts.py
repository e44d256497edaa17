"""What is refused as a whole is done in parts: one file that cannot be asked for holds up no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from server.dataservice.logic import DatasetRefused, RequestRefused
from server.production.models import Chunk


def do_in_parts(
    chunks: Sequence[Chunk], do: Callable[[Sequence[Chunk]], int], refused: Callable[[Chunk, str], None]
) -> int:
    """Do something to chunks, all together, or, where that is refused, to each half: answer how many it was done to.

    Args:
        chunks: The chunks.
        do: Does it to some of them in a transaction, or refuses it and does nothing; answers how many that were.
        refused: Told of each chunk that is refused by itself, and why.
    """
    try:
        return do(chunks) if chunks else 0
    except (DatasetRefused, RequestRefused) as why:
        if len(chunks) == 1:
            refused(chunks[0], str(why))
            return 0
    middle = len(chunks) // 2
    return sum(do_in_parts(half, do, refused) for half in (chunks[:middle], chunks[middle:]))
