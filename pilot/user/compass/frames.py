"""Options templates that come with the pilot: what is a job's own. All physics is the release's, which they include.

Source of the options: CORAL's public options files (read as facts).
"""

from __future__ import annotations

from collections.abc import Mapping

#: The release's own options, which the frames include.
INCLUDED = "coral.opt"

_FRAME = """// Options of run @{run}, chunk @{chunk}, slot @{slot}, PHAST @{phast}.
include @{release}/coral.opt

Data job
Data file @{input}
events to read @{events?}

mDST file @{mdst}
histograms package ROOT
histograms home @{histograms}
CsEvent WriteBack testevtdump.raw Randoms
CsKalmanFitting WriteBack testevtdump.raw Physics

CDB use @{calibration_use?}
CDB server @{calibration_server?}
CDB portnumber @{calibration_port?}
CDB location @{calibration_place?}
"""

FRAMES: Mapping[str, str] = {
    "plain": _FRAME,
    "mu+": _FRAME + "\nTraF iCut [15] 1\nBeamRecons BmChrg 1\n",
    "mu-": _FRAME + "\nTraF iCut [15] -1\nBeamRecons BmChrg -1\n",
}
