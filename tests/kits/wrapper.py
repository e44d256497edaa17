"""A place in which tests start the wrapper, with a bundle whose pilot does what a test asks for."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.services import containers
from wrappers import build_bundle

WRAPPER = Path(__file__).parents[2] / "wrappers" / "pilot-wrapper.sh"
#: What nodes have; each where the last word does.
KNOWN = (("dash",), ("bash", "--posix"), ("busybox", "sh"), ("mksh",))
PATH = "/usr/local/bin:/usr/bin:/bin"

PILOT = """
import os, signal, sys
from pathlib import Path

def main():
    words = sys.argv[1:]
    if words[0] == "status":
        return int(words[1])
    if words[0] == "kill":
        os.kill(os.getpid(), int(words[1]))
    if words[0] == "say":
        print(words[1:], os.getsid(0) == os.getpid(), sys.flags.isolated, sys.dont_write_bytecode)
        print(Path(__file__).parents[1], os.environ.get("PYTHONDONTWRITEBYTECODE"), sys.argv[0])
        return 0
    if words[0] == "around":
        print(os.path.isdir(os.environ["HOME"]), bool(os.environ["PATH"]), sys.stdin.read() == "")
        print(open(os.environ["COMPASS_PILOT__SERVER__TOKEN_FILE"]).read())
        return 0
    if words[0] == "signs":
        if "deaf" in words:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        Path(os.environ["COMPASS_SIGN_OF_LIFE"]).touch()
        while True:
            signal.pause()
    if words[0] == "leave":
        closed = Path(__file__).parents[1] / "closed"
        closed.mkdir()
        (closed / "file").touch()
        closed.chmod(0o500)
        return int(words[1])
    if words[0] == "path":
        print(sys.path[0])
        return 0
    if words[0] in ("fall", "deaf"):
        if words[0] == "fall":
            signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        print("up", flush=True)
        while True:
            signal.pause()
    if words[0] == "wait":
        def heard(number, frame):
            os.write(1, b"heard %d\\n" % number)
            if number == signal.SIGTERM:
                sys.exit(143)
        for number in map(int, words[1:]):
            signal.signal(number, heard)
        print("up", os.getpid(), flush=True)
        while True:
            signal.pause()
    raise SystemExit(f"what is {words}?")
"""


def shell_of(words: tuple[str, ...]) -> tuple[str, ...]:
    """Answer how a shell is started here: that of the machine, or one that is unpacked for the tests."""
    name = words[0]
    if found := shutil.which(name):
        return (found, *words[1:])
    if name == "busybox":
        return (str(containers.install("apptainer") / "image/bin/busybox"), *words[1:])
    return (str(containers.install(name) / "bin" / name), *words[1:])


#: Starts a program that hears every signal, whatever these tests were started under: nohup ignores SIGHUP, and a shell
#: cannot hear what was ignored when it began.
HEARING = """
import os, signal, sys
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])
"""


class Place:
    def __init__(self, root, shell):
        self.root, self.shell = root, shell
        self.bundle = root / "pilot bundle.pyz"
        self.sha256 = build_bundle.write(self.bundle, [("pilot/__init__.py", b""), ("pilot/cli.py", PILOT.encode())])
        self.scratch = root / "scratch"
        self.scratch.mkdir()

    def argv(self, *words, **changes):
        options = {"bundle": self.bundle, "sha256": self.sha256, "scratch": self.scratch, "python": sys.executable}
        given = {**options, **{name.replace("_", "-"): value for name, value in changes.items()}}
        flat = [word for name, value in given.items() if value is not None for word in (f"--{name}", str(value))]
        return [*self.shell, str(WRAPPER), *flat, *words]

    def environment(self, **more):
        return {"PATH": PATH, "HOME": str(self.root), **more}

    def run(self, *words, environment=None, **changes):
        argv = self.argv(*words, **changes)
        variables = environment or self.environment()
        return subprocess.run(argv, capture_output=True, text=True, env=variables, timeout=60, cwd=self.root)

    def start(self, *words, **changes):
        argv = self.argv(*words, **changes)
        command = [sys.executable, "-c", HEARING, *argv]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=self.environment(), cwd=self.root)
