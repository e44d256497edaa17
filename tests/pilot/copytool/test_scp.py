"""OpenSSH's clients against its real server, and how addresses and names are written for them."""

from __future__ import annotations

import os
import pwd
import signal
import time

import pytest

from pilot.copytool import scp
from pilot.copytool.base import Cancel, CopyFailed, Deadline, FailureKind, Transfer
from pilot.copytool.ssh_scripts import READ
from pilot.settings.everything import Settings
from pilot.settings.scp import Scp as Ways
from tests.kits.copytool import CONTENT, SUM, Doing, ServedCopyToolKit, until

USER = pwd.getpwuid(os.geteuid()).pw_name
#: What a shell, a pattern or an option would make something of.
NASTY = [
    "two $(touch hurt) `touch hurt`; touch hurt; a'b\"c #&|<>!",
    "~* [ab]?{c,d} back\\slash äö∂ per%20cent co:lon",
]


def test_an_address_is_read_and_nothing_in_it_is_decoded():
    assert scp.place_of("scp://me@host.example:2222//data/a%20b c") == ("me", "host.example", "2222", "/data/a%20b c")
    assert scp.place_of("sftp://host/a") == ("", "host", "", "/a")
    assert scp.place_of("ssh://[::1]:22/a").login == "[::1]"


@pytest.mark.parametrize(
    "url",
    ["scp://-oProxyCommand=x/a", "scp://-l@host/a", "scp://host", "http://host/a", "scp://host:x/a", "scp://h/a\nb"],
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(CopyFailed, match="is no address"):
        scp.place_of(url)


def test_files_keep_to_one_host():
    with pytest.raises(CopyFailed, match="two hosts"):
        scp.Scp().rename("scp://a/x", "scp://b/x", Deadline(1))


class Fake:
    """Programs in a folder that stands first in the PATH; what they were called with."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        for name in ("ssh", "scp"):
            path = folder / name
            path.write_text(
                f'#!/bin/sh\n[ "$1" != -V ] || exec cat {folder}/version\nprintf "%s\\n" "$@" >{folder}/{name}.called\n'
            )
            path.chmod(0o755)
        self.setup = folder / "setup.sh"
        self.setup.write_text(f"PATH={folder}:$PATH\n")

    def called(self, name):
        return (self.folder / f"{name}.called").read_text().splitlines()

    def tool(self, version, **ways):
        (self.folder / "version").write_text(f"OpenSSH_{version}, OpenSSL\n")
        return scp.Scp(Settings(scp=Ways(**ways)), {"setup": str(self.setup)})


@pytest.fixture
def fake(tmp_path):
    return Fake(tmp_path / "fake")


@pytest.mark.parametrize(
    ("version", "protocol", "says", "there"),
    [
        ("9.2p1", "sftp", ["-s"], "/a b*"),
        ("9.2p1", "scp", ["-O"], r"/a\ b\*"),
        ("8.7p1", "sftp", ["-s"], "/a b*"),
        ("8.0p1", "sftp", [], r"/a\ b\*"),
        ("7.4p1", "scp", [], r"/a\ b\*"),
    ],
)
def test_an_older_scp_is_spoken_to_as_it_understands(fake, tmp_path, version, protocol, says, there):
    (tmp_path / "a").touch()
    transfer = Transfer("a", f"file://{tmp_path}/a", "scp://host/a b*")
    fake.tool(version, protocol=protocol).copy(transfer, Deadline(30), Cancel())
    called = fake.called("scp")
    assert [word for word in called if word in ("-s", "-O")] == says
    assert called[-1] == f"host:{there}"


def test_a_setup_script_that_hangs_costs_no_more_than_the_time_there_is(fake, tmp_path):
    tool = fake.tool("9.2p1")
    fake.setup.write_text("sleep 30\n")
    began = time.monotonic()
    with pytest.raises(CopyFailed) as caught:
        tool.copy(Transfer("a", "scp://host/a", f"file://{tmp_path}/b"), Deadline(0.5), Cancel())
    assert caught.value.kind is FailureKind.TIMEOUT
    assert time.monotonic() - began < 10


def test_a_name_to_be_fetched_is_no_pattern(fake, tmp_path):
    (tmp_path / "b").touch()
    fake.tool("9.2p1").copy(Transfer("a", "scp://host/a[1]", f"file://{tmp_path}/b"), Deadline(30), Cancel())
    assert fake.called("scp")[-2] == r"host:/a\[1\]"


def test_the_settings_are_options_and_hosts_have_to_be_known(fake):
    tool = fake.tool("9.2p1", config="/c", identity_file="/i", known_hosts="/k", silence=30.0, connect=5.0)
    with pytest.raises(CopyFailed):
        tool.stat("scp://me@[::1]:22/a", Deadline(30))
    called = fake.called("ssh")
    assert called[:4] == ["-F", "/c", "-p", "22"]
    assert {"BatchMode=yes", "StrictHostKeyChecking=yes", "IdentityFile=/i", "IdentitiesOnly=yes"} <= set(called)
    assert {"UserKnownHostsFile=/k", "ConnectTimeout=5", "ServerAliveInterval=10", "ControlMaster=no"} <= set(called)
    assert called[called.index("--") + 1] == "me@::1"


@pytest.mark.parametrize(("policy", "word"), [("new", "accept-new"), ("any", "no")])
def test_other_hosts_are_talked_to_when_the_settings_say_so(fake, policy, word):
    with pytest.raises(CopyFailed):
        fake.tool("9.2p1", host_keys=policy).stat("scp://host/a", Deadline(30))
    assert f"StrictHostKeyChecking={word}" in fake.called("ssh")


def ways(sshd, **other):
    given = {"identity_file": str(sshd.identity), "known_hosts": str(sshd.known_hosts), "config": "none"}
    return Settings(scp=Ways(**{**given, **other}))


def _write_to_reader(pipe):
    """Open a pipe for writing; ``None`` while nobody reads it."""
    try:
        return os.fdopen(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK), "wb")
    except OSError:
        return None


@pytest.mark.one_python
@pytest.mark.programs("ssh", "scp", "ssh-keygen", "unshare", "setpriv")
class Server:
    """What needs the server."""

    WAYS = {}

    @pytest.fixture
    def tool(self, sshd):
        return scp.Scp(ways(sshd, **self.WAYS))

    @pytest.fixture(autouse=True)
    def _at(self, sshd):
        self.at = f"scp://{USER}@127.0.0.1:{sshd.port}"

    def url(self, storage, name):
        return f"{self.at}{storage / name}"


class TestSftp(Server, ServedCopyToolKit):
    """As today's OpenSSH copies."""

    @pytest.fixture(autouse=True)
    def _server(self, sshd):
        self.server = sshd

    def frozen(self, storage):
        return self.server.frozen()

    def kill(self, storage):
        self.server.stop()

    def restart(self, storage):
        self.server.start()

    def unreachable(self, storage, name):
        return f"scp://127.0.0.1:1/{name}"

    def forbidden(self, storage, name):
        return f"{self.at}/sys/kernel/{name}"

    @pytest.mark.parametrize("name", NASTY)
    def test_a_name_is_a_name_to_every_step(self, tool, storage, tmp_path, name, sshd):
        (tmp_path / "here").write_bytes(CONTENT)
        hurt = sshd.folder / "home" / "hurt"
        tool.copy(
            Transfer("f", f"file://{tmp_path / 'here'}", self.url(storage, f"d {name}/{name}.part")),
            Deadline(30),
            Cancel(),
        )
        assert self.get(storage, f"d {name}/{name}.part") == CONTENT
        assert tool.stat(self.url(storage, f"d {name}/{name}.part"), Deadline(30)).size == len(CONTENT)
        assert tool.checksum(self.url(storage, f"d {name}/{name}.part"), "adler32", Deadline(30)) == SUM
        tool.rename(self.url(storage, f"d {name}/{name}.part"), self.url(storage, f"d {name}/{name}"), Deadline(30))
        self.fetch(tool, self.url(storage, f"d {name}/{name}"), tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == CONTENT
        tool.remove(self.url(storage, f"d {name}/{name}"), Deadline(30))
        assert list((storage / f"d {name}").iterdir()) == []
        assert not hurt.exists()

    @pytest.mark.parametrize("algorithm", ["adler32", "md5"])
    def test_a_host_without_python_sums_up_by_md5sum_or_is_read_through(self, tool, storage, sshd, algorithm):
        self.put(storage, "a", CONTENT)
        with_python = tool.checksum(self.url(storage, "a"), algorithm, Deadline(30))
        broken = [sshd.folder / "programs" / name for name in ("python3", "python")]
        for path in broken:
            path.write_text("#!/bin/sh\nexit 1\n")
            path.chmod(0o755)
        try:
            assert tool.checksum(self.url(storage, "a"), algorithm, Deadline(30)) == with_python
            with pytest.raises(CopyFailed) as caught:
                tool.checksum(self.url(storage, "gone"), algorithm, Deadline(30))
        finally:
            for path in broken:
                path.unlink()
        assert caught.value.kind is FailureKind.NO_SUCH_FILE

    def test_a_shared_connection_that_hangs_is_not_used_again(self, tool, storage):
        self.put(storage, "a", CONTENT)
        with tool._shared(scp.place_of(self.url(storage, "a")), Deadline(30), Cancel()) as shared:
            os.killpg(shared.process.pid, signal.SIGSTOP)
        try:
            with pytest.raises(CopyFailed) as caught:
                tool.stat(self.url(storage, "a"), Deadline(1))
            assert caught.value.kind is FailureKind.TIMEOUT
            assert tool.stat(self.url(storage, "a"), Deadline(30)).size == len(CONTENT)
        finally:
            shared.end()

    def test_a_storage_that_is_not_mounted_is_not_made_up(self, tool, storage, tmp_path):
        (tmp_path / "here").write_bytes(CONTENT)
        root = self.url(storage, "mount")
        transfer = Transfer("f", f"file://{tmp_path / 'here'}", f"{root}/data/f", root=root)
        with pytest.raises(CopyFailed, match="mounted") as caught:
            tool.copy(transfer, Deadline(30), Cancel())
        assert caught.value.kind is FailureKind.UNREACHABLE
        assert not (storage / "mount").exists()

    def test_a_folder_is_there_but_is_no_file(self, tool, storage):
        (storage / "folder").mkdir()
        with pytest.raises(CopyFailed) as caught:
            tool.stat(self.url(storage, "folder"), Deadline(30))
        assert caught.value.kind is FailureKind.EXISTS

    def test_a_name_that_a_folder_has_is_taken(self, tool, storage):
        self.put(storage, "a", CONTENT)
        (storage / "folder").mkdir()
        with pytest.raises(CopyFailed) as caught:
            tool.rename(self.url(storage, "a"), self.url(storage, "folder"), Deadline(30))
        assert caught.value.kind is FailureKind.EXISTS

    def test_a_full_storage_is_told(self, tool, sshd, tmp_path):
        (tmp_path / "here").write_bytes(bytes(1000))
        with pytest.raises(CopyFailed) as caught:
            tool.copy(Transfer("f", f"file://{tmp_path / 'here'}", f"{self.at}/dev/full"), Deadline(30), Cancel())
        assert caught.value.kind in (FailureKind.NO_SPACE, None)

    def test_a_key_that_is_not_known_is_an_authentication_failure(self, sshd, storage, tmp_path):
        (tmp_path / "key").write_text("nothing")
        tool = scp.Scp(ways(sshd, identity_file=str(tmp_path / "key")))
        with pytest.raises(CopyFailed) as caught:
            tool.stat(self.url(storage, "a"), Deadline(30))
        assert caught.value.kind is FailureKind.AUTHENTICATION

    def test_steps_and_small_files_are_one_connection_of_the_server(self, tool, storage, tmp_path, sshd):
        self.put(storage, "a", CONTENT)
        assert tool.stat(self.url(storage, "a"), Deadline(30)).size == len(CONTENT)
        before = sshd.connections
        transfer = Transfer("a", self.url(storage, "a"), f"file://{tmp_path / 'b'}", len(CONTENT))
        tool.copy(transfer, Deadline(30), Cancel())
        assert tool.checksum(self.url(storage, "a"), "adler32", Deadline(30)) == SUM
        assert sshd.connections == before
        self.fetch(tool, self.url(storage, "a"), tmp_path / "c")  # of a size that is not known
        assert sshd.connections == before + 1

    def test_a_step_whose_connection_is_lost_says_so_and_the_next_one_makes_another(self, tool, storage, sshd):
        self.put(storage, "a", CONTENT)
        tool.stat(self.url(storage, "a"), Deadline(30))
        os.mkfifo(storage / "pipe")
        place = scp.place_of(self.url(storage, "pipe"))
        reading = Doing(tool._ask, place, READ, [place.path], Deadline(30))
        written = []
        until(lambda: written.append(_write_to_reader(storage / "pipe")) or written[-1])
        sshd.stop()
        sshd.start()
        lost = reading.end()
        written[-1].close()
        assert lost.kind is FailureKind.UNREACHABLE
        assert "lost connection" in lost.words
        assert tool.stat(self.url(storage, "a"), Deadline(30)).size == len(CONTENT)

    def test_each_step_has_a_connection_of_its_own_when_the_settings_say_so(self, storage, sshd):
        tool = scp.Scp(ways(sshd, **self.WAYS, kept=0.0))
        self.put(storage, "a", CONTENT)
        before = sshd.connections
        for _ in range(2):
            tool.stat(self.url(storage, "a"), Deadline(30))
        assert sshd.connections == before + 2

    def test_a_host_that_is_not_known_is_not_talked_to(self, sshd, storage, tmp_path):
        (tmp_path / "nobody").touch()
        tool = scp.Scp(ways(sshd, known_hosts=str(tmp_path / "nobody")))
        with pytest.raises(CopyFailed, match="[Hh]ost key verification failed") as caught:
            self.fetch(tool, self.url(storage, "a"), tmp_path / "b")
        assert caught.value.kind is FailureKind.AUTHENTICATION


class TestItsOwnProtocol(Server):
    """As older ones do."""

    WAYS = {"protocol": "scp"}

    @pytest.mark.parametrize("name", NASTY)
    def test_a_name_is_a_name(self, tool, tmp_path, name):
        (tmp_path / "here").write_bytes(CONTENT)
        there = self.url(tmp_path / "new folder", name)
        tool.copy(Transfer("f", f"file://{tmp_path / 'here'}", there), Deadline(30), Cancel())
        assert (tmp_path / "new folder" / name).read_bytes() == CONTENT
        tool.copy(Transfer("f", there, f"file://{tmp_path / 'back'}"), Deadline(30), Cancel())
        assert (tmp_path / "back").read_bytes() == CONTENT

    def test_a_missing_source_is_told_as_such(self, tool, tmp_path):
        with pytest.raises(CopyFailed) as caught:
            tool.copy(Transfer("f", self.url(tmp_path, "gone"), f"file://{tmp_path / 'back'}"), Deadline(30), Cancel())
        assert caught.value.kind is FailureKind.NO_SUCH_FILE
