"""Why a container did not run its payload, from the runtime's own words. Pure.

A runtime has few exit statuses for all its failures (Apptainer 255 and 1, podman 125 to 127), and writes to the same
file as the payload. So both must fit: the status, and a line that begins as the runtime's lines do.
"""

from __future__ import annotations

import re
from typing import Optional

from pilot.contract.codes import ErrorCode
from pilot.job import Problem
from pilot.runtime.container.values import Container, Runtime

_FATAL = re.compile(r"^(?:FATAL:   |ERROR  : )(.+)$", re.MULTILINE)
#: What its front end says of wrong options, and its starter of what the kernel does not permit.
_REFUSED = re.compile(r"^(?:Error for command|ERROR  : )\s*(.+)$", re.MULTILINE)
#: The starter colours its words, also in files.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ERROR = re.compile(r"^Error: (.+)$", re.MULTILINE)
#: By family, the status, and how the runtime's own lines begin when it ends with it.
_APPTAINERS = {255: _FATAL, 1: _REFUSED}
_PODMANS = {125: _ERROR, 126: _ERROR, 127: _ERROR}


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


#: The first that fits counts: from what is said of one thing only to what is said of many.
_CAUSES = (
    (
        ErrorCode.NO_USER_NAMESPACES,
        _words(
            r"user ?namespaces? (?:creation|support|is|are|not|requires|disabled)",
            r"(?:create|creating|enter|unshare|new) (?:new |a |the )?user ?n(?:ame)?s(?:pace)?",
            r"max_user_namespaces|unprivileged_userns_clone|cannot clone|\bnewuidmap\b|\bsubuid\b",
        ),
    ),
    (ErrorCode.APPTAINER_NO_LOOP, _words(r"loop device", r"/dev/loop", r"attach image .*loop")),
    (
        ErrorCode.IMAGE_NOT_FOUND,
        _words(
            r"(?:could not|failed to) open image .*(?:no such file|not found)|unable to open file .*no such file",
            r"image not known|manifest unknown|name unknown|repository .* not found|requested access .* is denied",
            r"running container create option: stat|^image .* (?:does not|doesn't) exist",
        ),
    ),
    (
        ErrorCode.APPTAINER_MOUNT,
        _words(
            r"while mounting image|image driver mount|squashfuse|bad superblock|image format not recognized",
            r"destination /(?:dev|proc|sys) (?:doesn't|does not) exist",  # a folder that is no image
            r"mount /proc/self/fd/\d+|no space left .*mount|overlay.*(?:failed|error)|/dev/fuse",
        ),
    ),
    (
        ErrorCode.APPTAINER_BIND,
        _words(
            r"mount source .* (?:doesn't|does not) exist|mount hook function failure|while mounting",
            r"^statfs |destination .* (?:doesn't|does not) exist|bind path|mountpoint|mount .*->",
        ),
    ),
    (
        ErrorCode.PAYLOAD_NOT_STARTED,
        _words(
            r"executable file not found|^stat .*: (?:no such file|permission denied|not a directory)",
            r"command that was not found|OCI permission denied|exec .* failed|exec format error",
        ),
    ),
)


def diagnose(container: Container, status: Optional[int], stderr: str) -> Optional[Problem]:
    """Say why a runtime failed; ``None`` when it was the payload that ended so, or ended well.

    Args:
        container: In which the payload was to run.
        status: The exit status; ``None`` after a signal.
        stderr: The end of what runtime and payload wrote.
    """
    beginnings = _PODMANS if container.runtime is Runtime.PODMAN else _APPTAINERS
    if status not in beginnings or not (said := beginnings[status].findall(_COLOUR.sub("", stderr))):
        return None
    for line in reversed(said):
        for code, words in _CAUSES:
            if words.search(line):
                return _problem(container, code, line)
    return _problem(container, ErrorCode.APPTAINER_GENERAL, said[-1])


def _problem(container: Container, code: ErrorCode, line: str) -> Problem:
    return Problem(code, f"{container.runtime.value} could not run {container.image}: {' '.join(line.split())}")
