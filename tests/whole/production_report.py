"""How whole productions have ended: what is not as it must be, and a table of what was made and what went wrong."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from tests.whole import faulty_program
from tests.whole import production_audit as audit
from tests.whole.audit import wrongs
from tests.whole.production_audit import Counted
from tests.whole.production_rows import Production
from tests.whole.production_run import RAW, Killer, Productions


def complaints(productions: Productions, end: str) -> list[str]:
    """Answer everything that is not as it must be once all tasks are at their end."""
    made, orders, site = productions.made(), productions.ordered(), productions.site
    expected = audit.expected_files(orders, made)
    raw = [f"{RAW}/{name}" for name in productions.raw_files()]
    return [
        *wrongs(productions.system.rows),
        *audit.not_as_ordered(orders, made),
        *audit.unfinished(made, {order.name: end for order in orders}),
        *audit.unchecked(made),
        *audit.gaps(made),
        *audit.tape_gaps(made, expected),
        *audit.transfer_gaps(made),
        *audit.lost_events(events(productions, made), made),
        *audit.missing_logs(made, productions.packed()),
        *audit.not_on_tape(expected, made, site.on_tape(), raw),
        *audit.leftovers(orders, made, site.on_disk()),
    ]


def events(productions: Productions, made: Production) -> list[Counted]:
    return audit.counted(made, productions.into(), productions.out())


def report(productions: Productions, killer: Killer | None = None) -> None:
    """Print what was made, and how each fault has ended."""
    sys.stdout.write("\n" + "\n".join(_lines(productions, killer)) + "\n")


def _lines(productions: Productions, killer: Killer | None) -> Iterator[str]:
    made = productions.made()
    yield from _table(
        ("task", "state", "chunks", "merges", "jobs"),
        [
            (
                task.name,
                task.state,
                sum(chunk.task == task.id for chunk in made.chunks),
                sum(group.task == task.id for group in made.groups),
                sum(event.task == task.id and event.after == "sent" for event in made.events),
            )
            for task in made.tasks
        ],
    )
    rows = events(productions, made)
    yield from _table(("task", "run", "events in", "made", "on tape"), [tuple(row) for row in rows])
    there = productions.site.on_tape()
    wanted = audit.expected_files(productions.ordered(), made)
    size = sum(file.size for file in there.values())
    raw = len(productions.raw_files())
    yield f"on tape: {len(there)} files, {size} bytes; {raw} raw files were there, and {len(wanted)} were to come"
    on_disk = productions.site.on_disk()
    former = len(audit.former_logs(made, on_disk))
    yield f"on disk: {len(on_disk)} files, of which {former} are logs of tries that came to nothing"
    faults = sorted(faulty_program.done(productions.program.parent).items())
    yield from _table(("fault", "in the job of", "how it went on"), [_fault(made, *one) for one in faults])
    if killer is not None:
        yield f"killed: {', '.join(f'{name} {times} times' for name, times in sorted(killer.killed.items()))}"
    yield from productions.story


def _fault(made: Production, name: str, fault: str) -> tuple[str, str, str]:
    """Tell through which states the chunk or merge went whose job failed on order."""
    file = next((one for one in made.outputs if one.lfn == name), None)
    if file is None:
        return fault, name, "it is not there"
    mine = [
        event.after
        for event in made.events
        if (event.group == file.group if file.group is not None else event.chunk == file.chunk)
        and not event.after.startswith(audit.TAPE_WORD)
    ]
    return fault, name, " ".join(mine)


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Write a table with columns of one width each."""
    if not rows:
        return
    texts = [head, *(tuple(map(str, row)) for row in rows)]
    widths = [max(len(text[column]) for text in texts) for column in range(len(head))]
    for text in texts:
        yield "  ".join(cell.ljust(width) for cell, width in zip(text, widths, strict=True)).rstrip()
    yield ""
