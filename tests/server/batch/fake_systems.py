"""PBS, LSF and Cobalt as their documentation has their commands: no server of theirs is to be had for tests.

The commands answer in the documented formats, and run what is submitted as processes of this machine, at once. What a
real server decides, such as priorities, limits and time, is not in them.
"""

from __future__ import annotations

import sys
from pathlib import Path

#: The names of the commands that submit, ask and cancel.
COMMANDS = {"pbs": ("qsub", "qstat", "qdel"), "lsf": ("bsub", "bjobs", "bkill"), "cobalt": ("qsub", "qstat", "qdel")}

_PROGRAM = '''#!{python} -IS
import json, os, pathlib, signal, subprocess, sys, time

KIND = "{kind}"
SUBMIT, ASK, CANCEL = {commands}
VARIABLE = dict(pbs="PBS_JOBID", lsf="LSB_JOBID", cobalt="COBALT_JOBID")[KIND]
HOME = pathlib.Path(__file__).absolute().parents[1]
JOBS = HOME / "jobs"
RUN = 'trap : TERM INT; /bin/bash "$1"; echo $? >"$2/draft"; mv "$2/draft" "$2/status"'


def answer(what):
    """Do what a test wants of this command in place of what it should do, if it wants anything."""
    path = HOME / what
    if path.exists():
        exec(path.read_text(), globals())


def submit(script):
    answer("before")
    number = str(1000 + len(os.listdir(JOBS))) + (".server" if KIND == "pbs" else "")
    folder = JOBS / number
    folder.mkdir()
    (folder / "script").write_text(sys.stdin.read() if KIND == "lsf" else pathlib.Path(script).read_text())
    if not (HOME / "hold").exists():
        environment = dict(os.environ, **{{VARIABLE: number}})
        words = ["/bin/sh", "-c", RUN, "sh", str(folder / "script"), str(folder)]
        null = subprocess.DEVNULL
        held = subprocess.Popen(words, env=environment, stdin=null, stdout=null, stderr=null, start_new_session=True)
        (folder / "pid").write_text(str(held.pid))
    answer("after")
    print(f"Job <{{number}}> is submitted to default queue <normal>." if KIND == "lsf" else number, flush=True)


def state(number):
    folder = JOBS / number
    if not folder.is_dir():
        return None, None
    if (folder / "status").exists():
        return "over", int((folder / "status").read_text())
    return ("runs" if (folder / "pid").exists() else "held"), None


def ask(words):
    answer("ask")
    looked = {{number: state(number) for number in words if number[:1].isdigit()}}
    known = {{number: each for number, each in looked.items() if each[0]}}
    globals()[KIND](looked, known)


def pbs(looked, known):
    jobs = {{}}
    for number, (found, status) in known.items():
        jobs[number] = dict(Job_Name="x", Job_Owner="u@h", job_state=dict(over="F", runs="R", held="H")[found])
        if status is not None:
            jobs[number].update(Exit_status=status, comment="Job run at Mon and finished")
    print(json.dumps(dict(timestamp=1, pbs_version="20.0", pbs_server="server", **(dict(Jobs=jobs) if jobs else {{}}))))
    for number in set(looked) - set(known):
        print(f"qstat: Unknown Job Id {{number}}", file=sys.stderr)
    sys.exit(153 if set(looked) - set(known) else 0)


def lsf(looked, known):
    records = []
    for number, (found, status) in looked.items():
        if not found:
            records.append(dict(JOBID=number, ERROR=f"Job <{{number}}> is not found"))
            continue
        code = dict(over="DONE" if status == 0 else "EXIT", runs="RUN", held="PSUSP")[found]
        killed = "TERM_OWNER: job killed by owner" if (JOBS / number / "killed").exists() else ""
        records.append(dict(JOBID=number, STAT=code, EXIT_REASON=killed, KILL_REASON="", SUSPEND_REASON=""))
    print(json.dumps(dict(COMMAND="bjobs", JOBS=len(records), RECORDS=records)))
    sys.exit(255 if set(looked) - set(known) else 0)


def cobalt(looked, known):
    living = {{number: found for number, (found, _) in known.items() if found != "over"}}
    for number, found in living.items():
        print(f"JobID: {{number}}\\n    State             : {{'running' if found == 'runs' else 'user_hold'}}\\n")
    sys.exit(0 if living else 1)


def cancel(numbers):
    answer("cancel")
    for number in numbers:
        folder = JOBS / number
        (folder / "killed").touch()
        found, _ = state(number)
        if found == "held":
            (folder / "status").write_text("271")
        elif found == "runs":
            for order in ([signal.SIGINT] if KIND == "lsf" else []) + [signal.SIGTERM]:
                os.killpg(int((folder / "pid").read_text()), order)


command = pathlib.Path(sys.argv[0]).name
if command == SUBMIT:
    submit(sys.argv[-1])
elif command == ASK:
    ask(sys.argv[1:])
else:
    cancel([word for word in sys.argv[1:] if word[:1].isdigit()])
'''


class FakeSystem:
    """One of them, in a folder of its own; a file ``hold`` there has it start nothing.

    Files ``before``, ``after`` (submission), ``ask`` and ``cancel`` are Python that a command runs first.
    """

    def __init__(self, kind: str, folder: Path) -> None:
        self.folder, self.programs = folder, folder / "programs"
        self.programs.mkdir(parents=True)
        (folder / "jobs").mkdir()
        for name in COMMANDS[kind]:
            path = self.programs / name
            path.write_text(_PROGRAM.format(python=sys.executable, kind=kind, commands=COMMANDS[kind]))
            path.chmod(0o755)

    def does(self, what: str, text: str) -> None:
        """Have a command do something else first; nothing for no text."""
        if text:
            (self.folder / what).write_text(text)
        else:
            (self.folder / what).unlink()

    def script(self, number: int = 0) -> Path:
        """Answer the script of a job that was submitted, by the order of submission."""
        return sorted((self.folder / "jobs").iterdir())[number] / "script"
