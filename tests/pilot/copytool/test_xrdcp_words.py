"""What XRootD's programs say, as they were heard to say it, and what is made of that."""

from __future__ import annotations

import pytest

from pilot.copytool.base import CopyFailed, FailureKind, FileFacts
from pilot.copytool.program import Ran
from pilot.copytool.xrdcp_words import copied, cut_short, failure, found, free_bytes, summed

URL = "root://host:1094//data/a"
STAT = "Path:   /data/a\nId:     94\nSize:   8000\nMTime:  2026-11-22 08:18:44\nFlags:  {}\nMode:   0644\n"


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (54, "Run: [ERROR] Server responded with an error: [3011] Unable to open /a; no such file or directory\0\n",
         FailureKind.NO_SUCH_FILE),
        (54, "[ERROR] Server responded with an error: [3010] Unable to mkdir /data; permission denied\0\n\n",
         FailureKind.PERMISSION),
        (54, "Run: [ERROR] Server responded with an error: [3016] Unable to open /d; is a directory\0 (source)\n\n",
         FailureKind.NO_SUCH_FILE),
        (54, "[ERROR] Server responded with an error: [3018] Unable to mkdir /d/e; file exists\0\n\n",
         FailureKind.EXISTS),
        (54, "Run: [ERROR] Server responded with an error: [3009] Unable to write /a; no space left on device\0\n",
         FailureKind.NO_SPACE),
        (54, "[ERROR] Server responded with an error: [3012] sha1 checksum not supported.\0\n\n", None),
        (51, "Run: [FATAL] Connection error:  (source)\n", FailureKind.UNREACHABLE),
        (51, "Run: [FATAL] Invalid address:  (source)\n", FailureKind.UNREACHABLE),
        (51, "Run: [FATAL] Socket error:  (source)\n", FailureKind.UNREACHABLE),
        (50, "Run: [ERROR] Initialization error:  (destination)\n", FailureKind.UNREACHABLE),
        (52, "Run: [ERROR] Operation expired:  (source)\n", FailureKind.TIMEOUT),
        (52, "Run: [FATAL] Auth failed: No protocols left to try (source)\n", FailureKind.AUTHENTICATION),
        (53, "Run: [ERROR] CheckSum error\n", FailureKind.CHECKSUM),
        (2, "xrdcp: no such file or directory processing /tmp/gone\n", FailureKind.NO_SUCH_FILE),
        (127, "env: 'xrdcp': No such file or directory\n", None),
        (-9, "", None),
    ],
)  # fmt: skip
def test_a_failure_is_told_by_its_number_or_by_its_words(status, said, kind):
    assert failure(Ran(status, "", said), URL).kind is kind


def test_a_files_name_does_not_pass_for_the_cause():
    said = "[ERROR] Server responded with an error: [3011] Unable to open /[3010] timed out; no such file or directory"
    assert failure(Ran(54, "", said), URL).kind is FailureKind.NO_SUCH_FILE


def test_the_last_words_name_the_file_and_neither_the_marks_of_a_log_nor_what_follows_an_address():
    failed = failure(Ran(52, "", "Run: [ERROR] Operation expired:  (source)\n"), f"{URL}?authz=secret")
    assert failed.words == f"{URL}: Operation expired: (source)"


def test_of_an_option_that_is_not_known_the_name_is_told_and_no_other():
    said = "xrdcp: Invalid option, '--no-such'.\n\nUsage:   xrdcp [<options>] <src>\n\nOptions: [--allow-http]\n"
    assert failure(Ran(22, "", said), URL).words == f"{URL}: xrdcp: Invalid option, '--no-such'."


def test_silence_is_told_with_the_status():
    assert failure(Ran(-9, "", ""), URL).words == f"{URL}: it ended with status -9 and said nothing"


def test_a_checksum_gets_its_zeros_back():
    assert copied("adler32: bcb02fc /tmp/o 7\n", "adler32") == FileFacts(7, "adler32:0bcb02fc")
    assert copied("adler32: 1 root://h//a b 0\n", "adler32") == FileFacts(0, "adler32:00000001")
    assert summed("adler32 BCB02FC\n", "adler32", URL) == "adler32:0bcb02fc"
    assert summed("md5 1e50210a0202497fb79bc38b6ade6c\n", "md5", URL) == "md5:001e50210a0202497fb79bc38b6ade6c"


@pytest.mark.parametrize("said", ["", "adler32: xyz /a 7", "md5: 00 /a 7", "adler32: bcb02fc"])
def test_a_copy_without_a_checksum_is_not_believed(said):
    with pytest.raises(CopyFailed, match="tells no adler32"):
        copied(said, "adler32")


@pytest.mark.parametrize("said", ["", "crc32c 12345678", "adler32 "])
def test_another_checksum_than_was_asked_for_is_none(said):
    with pytest.raises(CopyFailed, match=f"no adler32 of {URL}"):
        summed(said, "adler32", URL)


def test_a_file_has_a_size_and_a_folder_is_none():
    assert found(STAT.format("48 (IsReadable|IsWritable)"), URL) == FileFacts(8000)
    with pytest.raises(CopyFailed, match="not a file") as caught:
        found(STAT.format("51 (XBitSet|IsDir|IsReadable|IsWritable)"), URL)
    assert caught.value.kind is FailureKind.EXISTS
    with pytest.raises(CopyFailed, match="no size"):
        found("Path: /data/a\n", URL)


def test_bytes_that_are_missing_are_for_want_of_room_where_there_is_none():
    space = "oss.cgroup=default\noss.space=65536\noss.free={0}\noss.maxf={0}\noss.used=1\noss.quota=-1\n"
    assert free_bytes(space.format(4096)) == 4096
    assert free_bytes("") == 0
    assert cut_short(URL, 60, 100, free_bytes(space.format(0))).kind is FailureKind.NO_SPACE
    assert cut_short(URL, 60, 100, free_bytes(space.format(4096))).kind is FailureKind.SIZE
    assert "60 of 100 bytes" in cut_short(URL, 60, 100, 0).words
