"""When something is sent: rules on digests, quiet hours and further tries. No tables here."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from server.notify.states import Digest

#: A delivery that failed so often is given up: after about two days.
MOST_TRIES = 14
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=6)
#: The hour, by the channel's own clock, at which the notices of a day are sent.
DAILY_HOUR = timedelta(hours=7)


def wait_after(tries: int) -> timedelta | None:
    """Answer how long to wait after so many failed tries: doubled each time; nothing when it is given up."""
    if tries >= MOST_TRIES:
        return None
    doubled: timedelta = FIRST_WAIT * 2 ** min(max(tries, 1) - 1, 20)
    return min(doubled, LONGEST_WAIT)


def is_quiet(now: datetime, begin: time | None, end: time | None, zone: ZoneInfo) -> bool:
    """Say whether a channel is not to be disturbed; its hours may go over midnight."""
    if begin is None or end is None or begin == end:
        return False
    clock = now.astimezone(zone).time()
    return begin <= clock < end if begin < end else clock >= begin or clock < end


def is_ripe(digest: Digest, oldest: datetime, now: datetime, zone: ZoneInfo) -> bool:
    """Say whether what has gathered since the oldest notice is sent now."""
    if digest is Digest.AT_ONCE:
        return True
    first, here = oldest.astimezone(zone), now.astimezone(zone)
    if digest is Digest.HOURLY:
        return _hour(here) > _hour(first)
    return (here - DAILY_HOUR).date() > (first - DAILY_HOUR).date()


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(ZoneInfo("UTC")).replace(minute=0, second=0, microsecond=0)
