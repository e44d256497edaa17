"""The site's own programs: small scripts that do as sites' programs do, also badly."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pilot.copytool import lsm
from pilot.copytool.base import Cancel, CopyCancelled, CopyFailed, Deadline, FailureKind, FileFacts, Transfer
from pilot.settings.everything import Settings
from pilot.settings.lsm import Lsm as Programs
from tests.kits.copytool import CONTENT, SUM, CopyToolKit

#: What every script begins with: the options are taken off, URLs become paths, what was said is kept beside it.
HEAD = r"""#!/bin/sh
echo "$@" >> "$0.called"
while [ $# -gt 0 ]; do
    case $1 in
        --size) size=$2; shift 2 ;;
        --checksum | --type) sum=$2; shift 2 ;;
        -t) token=$2; shift 2 ;;
        *) break ;;
    esac
done
source=${1#site://} target=${2#site://}
"""
ADLER32 = "import sys, zlib; print(format(zlib.adler32(sys.stdin.buffer.read()), 'x'))"
BODIES = {
    "lsm-get": '[ -f "$source" ] || { echo "$source does not exist"; exit 200; }\ncp -- "$source" "$target"',
    "lsm-put": 'mkdir -p "$(dirname "$target")" || exit 206\n'
    '[ -z "$size" ] || [ "$size" = "$(wc -c < "$source")" ] || exit 209\ncp -- "$source" "$target"',
    "lsm-stat": '[ -e "$source" ] || { echo "$source: No such file or directory" >&2; exit 1; }\nwc -c < "$source"',
    "lsm-checksum": '[ -e "$source" ] || { echo "$source: No such file or directory" >&2; exit 1; }\necho junk\n'
    'if [ "$sum" = md5 ]; then set -- $(md5sum < "$source"); else\n'
    f'set -- "$({sys.executable} -c "{ADLER32}" < "$source")"; fi\n'
    'echo "$sum:$1"',
    "lsm-rename": 'ln -T -- "$source" "$target" && rm -- "$source"',
    "lsm-remove": 'rm -- "$source"',
}


class Site:
    """Programs in a folder, and settings that name some of them."""

    def __init__(self, folder):
        self.folder = folder
        for name, body in BODIES.items():
            self.write(name, body)

    def write(self, name, body):
        path = self.folder / name
        path.write_text(f"{HEAD}{body}\n")
        path.chmod(0o755)

    def called(self, name):
        path = self.folder / f"{name}.called"
        return path.read_text().splitlines() if path.exists() else []

    def tool(self, *names, says=None, **settings):
        programs = {name: (str(self.folder / f"lsm-{name}"),) for name in ("get", "put", *names)}
        return lsm.Lsm(Settings(lsm=Programs(**programs, **settings)), says or {})


ALL = ("stat", "checksum", "rename", "remove")


@pytest.fixture
def site(tmp_path):
    (tmp_path / "bin").mkdir()
    return Site(tmp_path / "bin")


def url(path):
    return f"site://{path}"


def store(tool, source, target, deadline=None, cancel=None):
    cancel = Cancel() if cancel is None else cancel  # one that was not asked for is false
    return tool.copy(Transfer("f", f"file://{source}", url(target)), deadline or Deadline(30), cancel)


def fetch(tool, source, target, deadline=None, **registered):
    return tool.copy(Transfer("f", url(source), f"file://{target}", **registered), deadline or Deadline(30), Cancel())


@pytest.fixture
def here(tmp_path):
    (tmp_path / "here").write_bytes(CONTENT)
    return tmp_path / "here"


class TestAWholeSite(CopyToolKit):
    """A site that has every program."""

    @pytest.fixture
    def tool(self, site):
        return site.tool(*ALL)

    def url(self, storage, name):
        return url(storage / name)


def test_a_site_with_a_rename_program_stores_under_another_name_first(site):
    assert not site.tool(*ALL).whole
    assert site.tool("stat", "checksum").whole


def test_get_and_put_are_told_size_and_checksum(site, here, tmp_path):
    tool = site.tool(token="DATADISK")
    assert store(tool, here, tmp_path / "there") == FileFacts(8000, SUM)
    fetch(tool, tmp_path / "there", tmp_path / "back", size=8000, checksum="md5:00")
    fetch(tool, tmp_path / "there", tmp_path / "back")
    assert site.called("lsm-put") == [f"-t DATADISK --size 8000 --checksum {SUM} {here} {url(tmp_path / 'there')}"]
    assert site.called("lsm-get") == [
        f"--size 8000 --checksum md5:00 {url(tmp_path / 'there')} {tmp_path / 'back'}",
        f"{url(tmp_path / 'there')} {tmp_path / 'back'}",
    ]


def test_programs_that_know_no_options_are_given_none(site, here, tmp_path):
    store(site.tool(options=False), here, tmp_path / "there")
    assert site.called("lsm-put") == [f"{here} {url(tmp_path / 'there')}"]


def test_the_queue_names_another_token_and_a_script_that_is_sourced(site, here, tmp_path):
    (tmp_path / "setup.sh").write_text("export OF_SITE=yes\n")
    site.write("lsm-put", 'echo "$OF_SITE $token" > "$0.seen"; cp -- "$source" "$target"')
    store(site.tool(says={"setup": str(tmp_path / "setup.sh"), "token": "QUEUE"}), here, tmp_path / "there")
    assert (site.folder / "lsm-put.seen").read_text() == "yes QUEUE\n"


def test_without_further_programs_files_are_fetched_back_to_be_measured(site, here, tmp_path):
    tool = site.tool()
    store(tool, here, tmp_path / "there")
    assert tool.stat(url(tmp_path / "there"), Deadline(30)).size == 8000
    assert tool.checksum(url(tmp_path / "there"), "adler32", Deadline(30)) == SUM
    assert tool.stat(url(tmp_path / "gone"), Deadline(30)) is None
    with pytest.raises(CopyFailed) as caught:
        tool.checksum(url(tmp_path / "gone"), "adler32", Deadline(30))
    assert caught.value.kind is FailureKind.NO_SUCH_FILE


def test_a_bit_that_has_flipped_on_the_storage_is_seen_by_fetching_back(site, here, tmp_path):
    tool = site.tool()
    store(tool, here, tmp_path / "there")
    (tmp_path / "there").write_bytes(b"D" + CONTENT[1:])
    assert tool.checksum(url(tmp_path / "there"), "adler32", Deadline(30)) != SUM


@pytest.mark.parametrize("what", ["rename", "remove"])
def test_what_a_site_has_no_program_for_is_named(site, what, tmp_path):
    arguments = [url(tmp_path / "a"), url(tmp_path / "b")][: 2 if what == "rename" else 1]
    with pytest.raises(CopyFailed, match=rf"no program to {what} .*name one in lsm\.{what}"):
        getattr(site.tool(), what)(*arguments, Deadline(30))


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        (200, "something", None),
        (200, "Source file does not exist", FailureKind.NO_SUCH_FILE),
        (201, "SRM says: permission denied", FailureKind.PERMISSION),
        *((status, "", kind) for status, (kind, _) in lsm.STATUSES.items()),
        (213, "quota", FailureKind.NO_SPACE),
        (1, "No space left on device", FailureKind.NO_SPACE),
        (127, "sh: dccp: not found", None),
    ],
)
def test_exit_statuses_and_last_words_tell_the_kind(site, here, tmp_path, status, words, kind):
    site.write("lsm-put", f"echo '{words}'; exit {status}")
    with pytest.raises(CopyFailed) as caught:
        store(site.tool(), here, tmp_path / "there")
    assert caught.value.kind is kind
    assert words in caught.value.words
    assert lsm.STATUSES.get(status, (kind, ""))[1] in caught.value.words


def test_a_put_that_finds_the_same_file_there_has_stored_it(site, here, tmp_path):
    site.write("lsm-put", "exit 212")
    assert store(site.tool(), here, tmp_path / "there").checksum == SUM


def test_a_put_that_tells_another_checksum_has_failed(site, here, tmp_path):
    site.write("lsm-put", 'cp -- "$source" "$target"; echo adler32:1')
    with pytest.raises(CopyFailed, match="told adler32:00000001") as caught:
        store(site.tool(), here, tmp_path / "there")
    assert caught.value.kind is FailureKind.CHECKSUM


def test_a_checksum_without_its_leading_zeros_is_the_same(site, tmp_path):
    site.write("lsm-checksum", "echo ADLER32:ABC")
    assert site.tool("checksum").checksum(url(tmp_path / "a"), "adler32", Deadline(30)) == "adler32:00000abc"


@pytest.mark.parametrize(("name", "words"), [("stat", "printed no size"), ("checksum", "printed no adler32:HEX")])
def test_a_program_that_prints_junk_is_not_believed(site, tmp_path, name, words):
    site.write(f"lsm-{name}", "printf 'about 12 apples\\n\\0\\377 adler:xyz\\n'")
    tool = site.tool(name)
    with pytest.raises(CopyFailed, match=words):
        tool.stat(url(tmp_path / "a"), Deadline(30)) if name == "stat" else tool.checksum(
            url(tmp_path / "a"), "adler32", Deadline(30)
        )


def test_a_get_that_says_it_is_well_and_wrote_nothing_has_failed(site, tmp_path):
    site.write("lsm-get", "exit 0")
    with pytest.raises(CopyFailed, match="ended well, but"):
        fetch(site.tool(), tmp_path / "a", tmp_path / "b")


def test_a_program_that_died_by_a_signal_is_told(site, tmp_path):
    site.write("lsm-get", 'echo half > "$target"; kill -9 $$')
    with pytest.raises(CopyFailed, match="ended with status (-9|137)|Killed"):
        fetch(site.tool(), tmp_path / "a", tmp_path / "b")


def test_a_program_that_hangs_is_ended_at_its_deadline_with_its_children(site, here, tmp_path):
    site.write("lsm-put", 'head -c 100 "$source" > "$target"; sleep 60 & echo $! > "$0.child"; wait')
    begun = time.monotonic()
    with pytest.raises(CopyFailed) as caught:
        store(site.tool(), here, tmp_path / "there", Deadline(0.5))
    assert caught.value.kind is FailureKind.TIMEOUT
    assert time.monotonic() - begun < 30
    assert_ended(int((site.folder / "lsm-put.child").read_text()))


def test_a_stop_ends_it_at_once(site, here, tmp_path):
    os.mkfifo(site.folder / "begun")
    site.write("lsm-put", f'echo > "{site.folder}/begun"; sleep 60')
    cancel, caught = Cancel(), []

    def work():
        try:
            store(site.tool(), here, tmp_path / "there", cancel=cancel)
        except CopyCancelled as stopped:
            caught.append(stopped)

    thread = threading.Thread(target=work)
    thread.start()
    (site.folder / "begun").read_text()
    cancel.ask()
    thread.join(60)
    assert len(caught) == 1


@pytest.mark.programs("setpriv")
def test_what_a_program_has_started_ends_with_a_pilot_that_is_killed(site, here, tmp_path):
    os.mkfifo(site.folder / "begun")
    site.write("lsm-put", f'sleep 600 & echo $$ $! > "{site.folder}/begun"; wait')
    code = (
        "from pilot.copytool import lsm; from pilot.copytool.base import Cancel, Deadline, Transfer\n"
        "from pilot.settings.everything import Settings; from pilot.settings.lsm import Lsm\n"
        f"tool = lsm.Lsm(Settings(lsm=Lsm(put=({str(site.folder / 'lsm-put')!r},))))\n"
        f"tool.copy(Transfer('a', 'file://{here}', 'site://{tmp_path}/there'), Deadline(600), Cancel())"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as pilot:
        started = [int(pid) for pid in (site.folder / "begun").read_text().split()]
        pilot.kill()
    for pid in started:
        assert_ended(pid)


def test_what_a_program_leaves_running_does_not_hold_the_copy(site, here, tmp_path):
    site.write("lsm-put", 'cp -- "$source" "$target"; sleep 60 & echo $! > "$0.child"')
    begun = time.monotonic()
    store(site.tool(), here, tmp_path / "there")
    assert time.monotonic() - begun < 30
    assert_ended(int((site.folder / "lsm-put.child").read_text()))


def assert_ended(pid):
    """A killed process is reaped by whoever inherits it, soon."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return
        except OSError:
            return
        threading.Event().wait(0.02)
    raise AssertionError(f"{pid} is alive")
