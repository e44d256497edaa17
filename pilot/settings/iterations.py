"""Settings of jobs that search for parameters (PanDA's HPO)."""

from __future__ import annotations

from pilot.settings.declaring import Section, key


class Iterations(Section):
    """Searches for parameters: jobs that run their payload again and again. Their preprocess says when it is enough."""

    most: int = key(0, "iterations", low=0, help="Iterations after which a search ends well all the same; 0: no bound.")
    seconds: float = key(0.0, "s", low=0, help="Time after which no further iteration begins; 0: no bound.")
