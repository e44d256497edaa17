"""Settings of what a pilot tells HTCondor of its jobs."""

from __future__ import annotations

from pilot.settings.declaring import Section, key


class Chirp(Section):
    """Under HTCondor: job and state as attributes of the pilot's batch job, for ``condor_q -af PandaID``."""

    use: bool = key(True, help="Write them, where HTCondor runs the pilot.")
    timeout: float = key(5.0, "s", low=0.1, high=60, help="Longest time for writing them each time.")
    pause: float = key(60.0, "s", low=0, help="When HTCondor has not answered or refused, it is left alone so long.")
