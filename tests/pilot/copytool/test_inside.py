"""Copy tools whose programs are in an image, and nowhere else: a real Apptainer runs them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.queue import Protocol, QueueData, StorageEndpoint
from pilot.copytool import apart, program
from pilot.copytool.base import CHILDREN, Cancel, CopyCancelled, CopyFailed, Deadline, FailureKind, Inside, Transfer
from pilot.copytool.inside import inside_of
from pilot.copytool.known import Known
from pilot.copytool.toolbox import Toolbox, Tools
from pilot.errors import JobFailed
from pilot.settings import Settings
from pilot.settings.lsm import Lsm
from pilot.settings.scp import Scp
from pilot.settings.sections import Container, Copy, Job, Server
from tests.services import containers

pytestmark = pytest.mark.one_python

#: What the site's program sleeps for, and nobody else.
SECONDS = str(100_000 + os.getpid())
GET = f"""#!/bin/sh
[ "$LOADED" = yes ] || exit 202
echo "$X509_USER_PROXY $(cat "$X509_USER_PROXY") ${{SECRET-none}}" >&2
case $1 in
    hang) setsid sleep {SECONDS} & sleep {SECONDS}; exit 0 ;;
    bad) echo "it was not to be"; exit 220 ;;
esac
[ ! -w "$X509_USER_PROXY" ] || [ "$(id -u)" = 0 ] || exit 1
{{ cat /etc/image-name "${{1#site://}}"; }} > "${{2#file://}}"
"""
PUT = '#!/bin/sh\ncat "$1" /etc/image-name > "${2#site://}"\n'
QUEUE = QueueData("Q", container_type="container:middleware", copytools={"lsm": {"setup": "/opt/setup.sh"}})


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """An image with a site's programs."""
    installed = containers.use_apptainer()
    folder = tmp_path_factory.mktemp("images") / "grid"
    shutil.copytree(installed.image, folder, symlinks=True)
    (folder / "opt").mkdir()
    for name, text in (("lsm-get", GET), ("lsm-put", PUT), ("setup.sh", "export LOADED=yes\n")):
        (folder / "opt" / name).write_text(text)
        (folder / "opt" / name).chmod(0o755)
    return installed.program, folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "not for programs of other people's")
    for name in ("X509_USER_PROXY", "BEARER_TOKEN_FILE", "X509_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("work", "storage"):
        (tmp_path / name).mkdir()
    (tmp_path / "proxy").write_text("a proxy\n")
    return tmp_path


def settings_of(image, here, **copy):
    return Settings(
        copy=Copy(image=str(image[1]), **copy),
        container=Container(program=str(image[0]), binds=copy.pop("binds", ())),
        job=Job(workdir=str(here / "work")),
        server=Server(certificate=str(here / "proxy"), authorities=""),
        lsm=Lsm(get=("/opt/lsm-get",), put=("/opt/lsm-put",), options=False),
    )


def tool_of(image, here):
    settings = settings_of(image, here)
    storage = StorageEndpoint("S", True, {"pl": (Protocol("file://", f"{here}/storage"),)})
    return Tools(Known({}), settings, QUEUE, inside_of(settings, QUEUE, {"S": storage}))["lsm"]


def sleepers():
    """Answer who sleeps as the site's program does."""
    return [one.pid for one in psutil.process_iter(["cmdline"]) if (one.info["cmdline"] or [])[-1:] == [SECONDS]]


@pytest.fixture
def hanging():
    """Answer a function that waits until both sleep, and see to it that none is left."""
    assert sleepers() == []

    def wait():
        asked, until = threading.Event(), Deadline(10)
        while len(sleepers()) < 2 and until.left():
            asked.wait(0.02)
        assert len(sleepers()) == 2

    yield wait
    gone, until = threading.Event(), Deadline(5)
    while sleepers() and until.left():  # the kernel ends them, after the one that was killed
        gone.wait(0.02)
    assert sleepers() == []


def test_files_are_fetched_and_stored_by_programs_of_the_image(image, here):
    tool = tool_of(image, here)
    (here / "storage" / "there").write_text("content\n")
    target = here / "work" / "fetched"
    facts = tool.copy(Transfer("f", f"site://{here}/storage/there", f"file://{target}"), Deadline(20), Cancel())
    assert target.read_text() == "busybox\ncontent\n"
    assert facts.size == target.stat().st_size
    stored = here / "storage" / "stored"
    root = f"site://{here}/storage"
    tool.copy(Transfer("f", f"file://{target}", f"site://{stored}", root=root), Deadline(20), Cancel())
    assert stored.read_text() == "busybox\ncontent\nbusybox\n"


def test_status_words_and_variables_come_through_and_nothing_else_does(image, here):
    ran = program.run(["/opt/lsm-get", "bad"], Deadline(20), setup=tool_of(image, here).setup)
    assert (ran.status, ran.output) == (220, "it was not to be\n")
    assert ran.errors == f"{here}/proxy a proxy none\n"


def test_a_credential_cannot_be_changed_in_there(image, here):
    ran = program.run(["sh", "-c", 'echo x > "$X509_USER_PROXY"'], Deadline(20), setup=tool_of(image, here).setup)
    assert ran.status
    assert "Read-only file system" in ran.errors
    assert (here / "proxy").read_text() == "a proxy\n"


def test_a_program_that_the_image_lacks_says_nothing_of_the_file(image, here):
    ran = program.run(["xrdcp"], Deadline(20), setup=tool_of(image, here).setup)
    assert ran.failure().kind is None
    assert "xrdcp" in ran.failure().words


def test_a_deadline_ends_all_that_was_started_in_there(image, here, hanging):
    until = Deadline(1.5)
    with pytest.raises(CopyFailed) as late:
        program.run(["/opt/lsm-get", "hang"], until, setup=tool_of(image, here).setup)
    assert late.value.kind is FailureKind.TIMEOUT


def test_a_cancelled_copy_leaves_nothing_running(image, here, hanging):
    cancel, raised = Cancel(), []

    def copy():
        try:
            program.run(["/opt/lsm-get", "hang"], Deadline(30), cancel, setup=tool_of(image, here).setup)
        except CopyCancelled as wrong:
            raised.append(wrong)

    thread = threading.Thread(target=copy)
    thread.start()
    hanging()
    cancel.ask()
    thread.join(10)
    assert len(raised) == 1


def test_a_pilot_that_is_killed_takes_it_along(image, here, hanging):
    setup = tool_of(image, here).setup
    code = (
        "from pilot.copytool.base import Deadline, Inside; from pilot.copytool.program import run\n"
        f"run(['/opt/lsm-get', 'hang'], Deadline(30), setup=Inside(*{tuple(setup)!r}))"
    )
    pilot = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    try:
        hanging()
    finally:
        pilot.kill()
        pilot.wait(10)


def test_children_are_the_python_of_the_image(image, here):
    """The image has none; the node's is shown to it, and finds this pilot where the container shows it."""
    python = Path(os.path.realpath(sys.executable))
    folders = {f"{path}:{path}:ro" for path in ("/usr", "/lib", "/lib64", sys.base_prefix) if Path(path).exists()}
    settings = settings_of(image, here, python=str(python))
    settings = settings.evolve(container=Container(program=str(image[0]), binds=tuple(sorted(folders))))
    inside = inside_of(settings, QUEUE, {})
    children = apart.Apart("tests.pilot.copytool.apart_inside", setup=inside)
    try:
        found = children.call("look", {}, Deadline(20))
    finally:
        children.close()
    assert found["pilot"].startswith(f"{CHILDREN}/pilot/")
    assert found["image"] == "busybox\n"


def test_an_engine_has_its_tools_in_there_where_the_queue_says_so(image, here):
    box = Toolbox(Known({}), settings_of(image, here))
    tools = box.engine(QUEUE, {})._tools
    assert isinstance(tools["lsm"].setup, Inside)
    assert (tools["lsm"].setup.script, tools["gridftp"].setup.script) == ("/opt/setup.sh", "")
    assert tools["gridftp"]._gfal.setup == tools["gridftp"].setup
    assert box.engine(QueueData("Q"), {})._tools["lsm"].setup == ""


def test_what_is_named_is_seen_above_what_would_be_hidden_by_it_and_what_is_not_there_is_left_out(image, here):
    for name in ("deep/er", "key"):
        (here / name).mkdir(parents=True)
    settings = settings_of(image, here).evolve(scp=Scp(identity_file=str(here / "key"), config=str(here / "none")))
    words = inside_of(settings, QUEUE, {}, [here / "deep" / "er", here / "deep"]).enter
    binds = [word[len("--bind=") :] for word in words if word.startswith("--bind=")]
    ours = [bind for bind in binds if bind.startswith(str(here))]
    folders = (here / "deep", here / "deep" / "er", here / "work")
    read = (f"{path}:{path}:ro" for path in (here / "proxy", here / "key"))
    assert ours == [*(f"{path}:{path}" for path in folders), *read]
    assert binds[-1 - ("/cvmfs:/cvmfs:ro" in binds)].endswith(f":{CHILDREN}:ro")


def test_an_engine_is_not_made_without_an_image():
    with pytest.raises(JobFailed) as wrong:
        Toolbox(Known({}), Settings()).engine(QUEUE, {})
    assert wrong.value.code is ErrorCode.IMAGE_NOT_FOUND
