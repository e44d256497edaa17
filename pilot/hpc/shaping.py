"""How large an allocation is for so many payloads. Pure; each decision comes with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pilot.hpc.values import Shape, Wishes


class Wanted(NamedTuple):
    """What one payload wants: cores, and the seconds it may take at most (0: nobody says)."""

    cores: int = 1
    seconds: float = 0.0


class Room(NamedTuple):
    """What there is at most: nodes (0: as the site wishes), seconds (infinite: likewise)."""

    nodes: int = 0
    seconds: float = float("inf")


AMPLE = Room()


class Shaped(NamedTuple):
    """An allocation, and why it is as it is. It is for the first ``shape.lines`` of the payloads."""

    shape: Shape
    reasons: tuple[str, ...]


def shape(payloads: Sequence[Wanted], wishes: Wishes, room: Room = AMPLE, reserve: float = 0.0) -> Shaped:
    """Shape an allocation for at least one payload.

    Args:
        payloads: What each of them wants, in the order in which they came.
        wishes: What the site wants.
        room: What there is.
        reserve: Seconds between the end of the longest payload and that of the allocation.
    """
    cores = min(max(one.cores for one in payloads), wishes.cores_per_node)
    on_a_node = wishes.ranks_per_node or max(1, wishes.cores_per_node // cores)
    most_nodes = min(room.nodes or wishes.most_nodes, wishes.most_nodes)
    wanted = -(-len(payloads) // on_a_node)
    nodes = min(wanted, most_nodes)
    ranks = min(len(payloads), nodes * on_a_node)
    lines = len(payloads) if wishes.turns else ranks
    reasons = [f"{len(payloads)} payloads of at most {cores} cores, {on_a_node} on a node: {wanted} nodes"]
    if nodes < wanted:
        rest = f"ranks take {-(-lines // ranks)} turns" if wishes.turns else f"{len(payloads) - lines} payloads wait"
        reasons.append(f"there are no more than {nodes} nodes: {rest}")
    seconds, reason = _wall_time(payloads[:lines], -(-lines // ranks), wishes, room, reserve)
    # Ranks are spread evenly: of 33 on two nodes, none has 32 neighbours.
    per_node = -(-ranks // nodes)
    shaped = Shape(
        nodes=nodes,
        ranks=ranks,
        ranks_per_node=per_node,
        cores_per_node=wishes.cores_per_node,
        cores_per_rank=max(1, wishes.cores_per_node // on_a_node),
        wall_time=seconds,
        lines=lines,
        project=wishes.project,
        queue=wishes.queue,
    )
    return Shaped(shaped, (*reasons, reason))


def _wall_time(payloads: Sequence[Wanted], turns: int, wishes: Wishes, room: Room, reserve: float) -> tuple[float, str]:
    longest = max(one.seconds for one in payloads)
    if not all(one.seconds for one in payloads) or longest * turns + reserve >= wishes.wall_time:
        seconds, reason = wishes.wall_time, "as long as the site gives at most"
    else:
        seconds, reason = longest * turns + reserve, "as long as the longest payload may take"
    if room.seconds == AMPLE.seconds:
        # Batch systems count whole minutes, and its ranks are to count with no more than they have.
        seconds = max(1.0, min(-(-seconds // 60), wishes.wall_time // 60)) * 60
    elif room.seconds < seconds:
        seconds, reason = room.seconds, "as long as there is time left"
    return seconds, f"{seconds:.0f} s of wall time: {reason}"
