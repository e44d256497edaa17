from __future__ import annotations

import pytest

from pilot.contract.codes import ErrorCode
from pilot.runtime.container.diagnosis import diagnose
from pilot.runtime.container.values import Container, Runtime

APPTAINER = Container(Runtime.APPTAINER, "/images/el9.sif")
PODMAN = Container(Runtime.PODMAN, "/images/el9")

HOOK = "FATAL:   container creation failed: mount hook function failure: mount"
# What Apptainer 1.4 and SingularityCE 4 write.
APPTAINERS = [
    (
        (
            "FATAL:   While checking container encryption: could not open image /i: failed to retrieve path for /i: "
            "lstat /i: no such file or directory"
        ),
        ErrorCode.IMAGE_NOT_FOUND,
    ),
    (
        "FATAL:   While checking container encryption: could not open image /etc/passwd: image format not recognized",
        ErrorCode.APPTAINER_MOUNT,
    ),
    (f"{HOOK} /nope->/cvmfs error: while mounting /nope: mount source /nope doesn't exist", ErrorCode.APPTAINER_BIND),
    (
        f"{HOOK} /my image->/x error: while mounting /my image : mount source /my image doesn't exist",
        ErrorCode.APPTAINER_BIND,
    ),
    (
        (
            f"{HOOK} /proc/self/fd/3->/x/rootfs error: while mounting image /proc/self/fd/3: kernel reported a bad "
            "superblock for squashfs image partition"
        ),
        ErrorCode.APPTAINER_MOUNT,
    ),
    (
        (
            f"{HOOK} /proc/self/fd/3->/x/rootfs error: while mounting image /proc/self/fd/3: failed to find "
            "loop device: could not attach image file to loop device: no loop devices available"
        ),
        ErrorCode.APPTAINER_NO_LOOP,
    ),
    (
        (
            "FATAL:   container creation failed: image driver mount failure: image driver squashfuse_ll instance "
            "exited with error: squashfuse_ll exited: fuse: failed to open /dev/fuse: Permission denied"
        ),
        ErrorCode.APPTAINER_MOUNT,
    ),
    (
        "\x1b[91mERROR  : Failed to create user namespace: not allowed to create user namespace\n\x1b[0m",
        ErrorCode.NO_USER_NAMESPACES,
    ),
    (
        (
            "ERROR  : Failed to create user namespace: maximum number of user namespaces exceeded, check "
            "/proc/sys/user/max_user_namespaces"
        ),
        ErrorCode.NO_USER_NAMESPACES,
    ),
    ('FATAL:   "nosuch": executable file not found in $PATH', ErrorCode.PAYLOAD_NOT_STARTED),
    ("FATAL:   stat /no/such: no such file or directory", ErrorCode.PAYLOAD_NOT_STARTED),
    (
        (
            "FATAL:   Unable to handle docker://127.0.0.1:1/x uri: failed to get checksum for docker://127.0.0.1:1/x: "
            "pinging container registry 127.0.0.1:1: connect: connection refused"
        ),
        ErrorCode.APPTAINER_GENERAL,
    ),
    (
        (
            "FATAL:   Unable to handle docker://host/x uri: failed to get checksum for docker://host/x: reading "
            "manifest latest in host/x: manifest unknown"
        ),
        ErrorCode.IMAGE_NOT_FOUND,
    ),
    ('Error for command "exec": unknown flag: --bogus', ErrorCode.APPTAINER_GENERAL),
]
# What podman 4 with runc writes.
PODMANS = [
    ("Error: running container create option: stat /nope: no such file or directory", 125, ErrorCode.IMAGE_NOT_FOUND),
    ("Error: nosuch:1: image not known", 125, ErrorCode.IMAGE_NOT_FOUND),
    ("Error: statfs /nope: no such file or directory", 125, ErrorCode.APPTAINER_BIND),
    (
        (
            'Error: runc: runc create failed: unable to start container process: exec: "nosuch": executable file not '
            "found in $PATH: OCI runtime attempted to invoke a command that was not found"
        ),
        127,
        ErrorCode.PAYLOAD_NOT_STARTED,
    ),
    (
        (
            'Error: runc: runc create failed: unable to start container process: exec: "/etc": permission denied: OCI '
            "permission denied"
        ),
        126,
        ErrorCode.PAYLOAD_NOT_STARTED,
    ),
    (
        'Error: rootfs-overlay: creating overlay failed "/i": chown /x/rootfs/upper: invalid argument',
        126,
        ErrorCode.APPTAINER_MOUNT,
    ),
    ("Error: cannot clone: Operation not permitted", 125, ErrorCode.NO_USER_NAMESPACES),
    ("Error: unknown flag: --bogus", 125, ErrorCode.APPTAINER_GENERAL),
]


@pytest.mark.parametrize(("said", "code"), APPTAINERS, ids=range(len(APPTAINERS)))
def test_apptainers_words_are_understood(said, code):
    problem = diagnose(APPTAINER, 255 if said.startswith("FATAL") else 1, f"noise\n{said}\n")
    assert problem.code is code
    assert "apptainer could not run /images/el9.sif: " in problem.detail


@pytest.mark.parametrize(("said", "status", "code"), PODMANS, ids=range(len(PODMANS)))
def test_podmans_words_are_understood(said, status, code):
    assert diagnose(PODMAN, status, f"{said}\n").code is code


@pytest.mark.parametrize(
    ("container", "status", "stderr"),
    [
        (APPTAINER, 255, "my program: error 255\n"),
        (APPTAINER, 3, "FATAL:   stat /no/such: no such file or directory\n"),
        (APPTAINER, None, "FATAL:   stat /no/such: no such file or directory\n"),
        (APPTAINER, 1, "FATAL:   stat /no/such: no such file or directory\n"),
        (APPTAINER, 255, "G4Exception: FATAL:   a volume overlaps\n"),
        (APPTAINER, 1, "ERROR : cannot open the calibration\n"),
        (APPTAINER, 255, "FATAL: cannot open the calibration\n"),
        (PODMAN, 255, "Error: in my program\n"),
        (PODMAN, 125, ""),
    ],
)
def test_a_payload_that_fails_by_itself_is_not_the_runtimes_fault(container, status, stderr):
    assert diagnose(container, status, stderr) is None


def test_the_last_of_several_lines_is_told():
    said = "FATAL:   first\nINFO:    other\nFATAL:   stat /x: no such file or directory\n"
    assert diagnose(APPTAINER, 255, said).detail.endswith("stat /x: no such file or directory")
