"""What kind of work a COMPASS job does: the words of ``processingType`` that server and pilot agree on."""

from __future__ import annotations

from enum import Enum


class ProcessingType(str, Enum):
    """Tells the pilot which of the experiment's log lines and files to expect."""

    TEST = "test-production"
    MASS = "mass-production"
    TECHNICAL = "technical-production"
    FILTERING = "ddd"
    GENERATION = "mcgen"
    RECONSTRUCTION = "mcreco"
    MERGE_MDST = "merge-mdst"
    MERGE_HISTOGRAMS = "merge-hist"
    MERGE_DUMP = "merge-dump"
    #: The logs of a run become one file.
    PACK_LOGS = "pack-logs"
    ANALYSIS = "user-analysis"
