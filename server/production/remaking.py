"""When an input of a merge has vanished: the chunk that made it is made again, and then the same group is merged."""

from __future__ import annotations

from server.production.door import move
from server.production.judging import JobView, vanished
from server.production.models import Chunk, MergeGroup, Output
from server.production.states import ChunkState, GroupState


def remake_vanished(group: MergeGroup, view: JobView, *, by: str) -> bool:
    """Send a chunk back whose file is not there any more, if that is why the group's job failed.

    A chunk that has used its attempts waits for a person, and its group with it. Belongs into the transaction in which
    the group has failed.
    """
    if group.state != GroupState.FAILED:
        return False
    files = {file.lfn: file for file in Output.objects.filter(merged_in__group=group).select_related("chunk__task")}
    gone = files.get(vanished(view, list(files)))
    chunk = gone.chunk if gone is not None else None
    if gone is None or chunk is None or chunk.state != ChunkState.FINISHED:
        return False
    words = f"its {gone.get_kind_display()} {gone.lfn} is not on {gone.endpoint} any more, as merging found"
    _send_back(chunk, words, by)
    back = f"waits for chunk {chunk.number}: {gone.lfn} has vanished from {gone.endpoint}"
    # Its failure was not its own; what is bounded is how often the chunk is made.
    return move(group, GroupState.READY, by=by, words=back, job_id=None, attempts=max(0, group.attempts - 1))


def _send_back(chunk: Chunk, words: str, by: str) -> bool:
    if chunk.attempts < chunk.task.max_attempts:
        return move(chunk, ChunkState.STAGED, by=by, words=f"{words}: it is made again", job_id=None)
    look = f"{words}, and it has used its {chunk.attempts} attempts; look for the file, then send it again"
    return move(chunk, ChunkState.MANUAL_CHECK, by=by, words=look)
