"""Hypothesis strategies for what travels on the wire."""

from __future__ import annotations

from hypothesis import strategies as st

from pilot.contract.codec import NOTHING
from pilot.contract.input_lists import InputList
from pilot.contract.job import PANDA_MB, FileSpec, JobSpec, Role

#: Text that a database, a log line and a comma list can hold.
words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters=","), max_size=12)
plain = words.filter(lambda text: text not in NOTHING or text == "")
names = plain.filter(lambda text: text not in ("", ".", "..") and "/" not in text and text[0] not in "-~")
folders = st.lists(names, max_size=3).map("/".join)
scopes = st.lists(names, max_size=2).map("/".join)
sizes = st.none() | st.integers(0, 2**60)
checksums = st.none() | st.from_regex(r"adler32:[0-9a-f]{8}|md5:[0-9a-f]{32}", fullmatch=True)
#: Any argument that a program can be given.
arguments = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10) | st.sampled_from(
    ["NULL", "None", "null", "", "'", "a b", "$HOME", "--x=y"]
)
mb = st.integers(0, 2**20).map(lambda size: size * PANDA_MB)


LISTS = (InputList("inputFor_a", ("x", "y")), InputList("inputFor_b", ("z",)))
#: A job has event ranges, or merges what they have stored, or neither.
EVENTS = ({}, {"events": True}, {"events": True, "jobset_id": 12}, {"merges_events": True, "input_lists": LISTS})


@st.composite
def inputs(draw, lfn):
    return FileSpec(
        lfn, Role.INPUT, draw(scopes), draw(folders), draw(sizes), draw(checksums), draw(plain), draw(plain)
    )


@st.composite
def jobs(draw, *, numbered=True, sized_outputs=False):
    """Draw a job; what the dialect at hand does not carry of an output is left out."""
    lfns = draw(st.lists(names, max_size=6, unique=True))
    cut, with_log = draw(st.integers(0, len(lfns))), draw(st.booleans())
    log = lfns.pop() if with_log and len(lfns) > cut else None
    outputs = []
    for lfn in lfns[cut:]:
        size, checksum, guid = (draw(sizes), draw(checksums), draw(plain)) if sized_outputs else (None, None, "")
        outputs.append(FileSpec(lfn, Role.OUTPUT, draw(scopes), draw(folders), size, checksum, draw(plain), guid))
    kept = draw(st.sets(st.sampled_from(lfns[cut:]))) if lfns[cut:] else set()
    return JobSpec(
        id=draw(st.integers(1, 2**40)) if numbered else 0,
        attempt=draw(st.integers(0, 99)) if numbered else 0,
        transformation=draw(plain.filter(bool)),
        arguments=tuple(draw(st.lists(arguments, max_size=4))),
        resource_type=draw(plain) if numbered else "",
        **(draw(st.sampled_from(EVENTS)) if numbered else {}),
        name=draw(plain),
        task_id=draw(st.none() | st.integers(0, 2**40)),
        label=draw(plain.filter(bool)),
        processing_type=draw(plain),
        user=draw(plain),
        working_group=draw(plain),
        release=draw(plain),
        home_package=draw(plain),
        platform=draw(plain),
        container=draw(plain),
        cores=draw(st.integers(1, 128)),
        priority=draw(st.integers(-5000, 5000)),
        max_walltime=draw(st.integers(0, 2**30)),
        max_cpu_time=draw(st.integers(0, 2**30)),
        memory=draw(mb),
        disk=draw(mb),
        looping_check=draw(st.booleans()),
        allow_no_output=tuple(sorted(kept)),
        debug=draw(st.booleans()),
        uses_secrets=draw(st.booleans()),
        inputs=tuple(draw(inputs(lfn)) for lfn in lfns[:cut]),
        outputs=tuple(outputs),
        log=FileSpec(log, Role.LOG, draw(scopes), draw(folders), endpoint=draw(plain), guid=draw(plain))
        if log
        else None,
    )
