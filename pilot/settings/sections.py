"""The sections of settings that every pilot reads. What only some need stands in a module for each beside this one."""

from __future__ import annotations

from pilot.settings.declaring import MIB, Section, choice, key


class Server(Section):
    """The server and how to speak with it."""

    url: str = key("", help="Address of the server; without a scheme, https is meant.")
    port: int = key(25443, help="Port of the server, unless the address holds one.", low=1, high=65535)
    dialect: str = choice(
        "auto", "v1", "legacy", help="v1: /api/v1; legacy: PanDA's /server/panda; auto: what the server answers to."
    )
    token_file: str = key("", help="File with the pilot's token; read anew for each request.")
    origin: str = key("", help="Organisation that a token belongs to; sent in the Origin header.")
    certificate: str = key("", help="File with the client certificate and its key (PEM), a proxy for instance.")
    authorities: str = key("", help="File or folder of the authorities that server certificates are verified with.")
    web_proxy: str = key("", help="Web proxy that requests go through.")
    ip_version: str = choice(
        "auto",
        "4",
        "6",
        help="Version of the internet protocol; auto: both, or as the queue's internet_protocol_version says.",
    )
    updates: bool = key(True, help="Send reports to the server; otherwise they are files, the last one heartbeat.json.")
    connect_timeout: float = key(10.0, "s", low=0.1, help="Longest wait for a connection.")
    read_timeout: float = key(60.0, "s", low=0.1, help="Longest wait for a whole answer.")
    report_wait: float = key(1.0, "s", low=0.01, help="Wait before a final report is offered again; doubles each time.")
    report_wait_most: float = key(300.0, "s", low=0.01, help="Longest wait before a final report is offered again.")
    report_for: float = key(10800.0, "s", low=0.1, help="A final report not taken for this long is left on the disk.")
    lost_after: float = key(10800.0, "s", low=1, help="A job whose reports are not taken this long is given up.")


class Queue(Section):
    """Which work to ask for."""

    name: str = key("", help="PanDA queue to ask work for.")
    label: str = key("managed", help="Kind of jobs (prodSourceLabel).")
    data_url: str = key("", help="Address or file of the queue's description; the server's own when left out.")
    storage_url: str = key("", help="Address or file of the storages' description; the server's own when left out.")
    refresh: float = key(10800.0, "s", low=0, help="Age at which both descriptions are fetched anew.")
    working_group: str = key("", help="Only jobs of this working group.")
    country_group: str = key("", help="Only jobs of this country group.")
    allow_other_country: bool = key(False, help="Take jobs of other country groups too.")
    job_type: str = key("", help="Only jobs of this type.")
    resource_type: str = key("", help="Only jobs of this resource type, such as SCORE or MCORE.")
    same_task: bool = key(True, help="After a job, ask for work of its task first.")


class Job(Section):
    """How many jobs a pilot runs, and for how long."""

    workdir: str = key("", help="Folder in which the pilot works; the one it is started in when left out.")
    file: str = key("", help="File with jobs to be run; no server is asked, and reports are files.")
    workflow: str = choice(
        "generic",
        "stager",
        "hpc",
        help="stager: bring a job's inputs and wait, instead of running a payload; see stager. "
        "hpc: gather jobs for allocations of a supercomputer; see hpc.",
    )
    at_once: int = key(1, "jobs", low=1, high=1000, help="Jobs at the same time.")
    prefetch: int = key(0, "jobs", low=0, high=100, help="Further jobs whose inputs are brought while these run.")
    prefetch_disk: int = key(
        10**10, "bytes", low=0, help="Inputs brought ahead, in all; those of a size that is not registered are not."
    )
    cores: int = key(0, "cores", low=0, help="Cores that the jobs share; 0: the node's, or one per job if more.")
    memory: int = key(0, "bytes", low=0, help="Memory that the jobs share; 0: the node's, or its group's.")
    requests: int = key(2, "requests", low=1, help="Requests without a job after which the pilot ends.")
    failures: int = key(5, "requests", low=1, help="Failed requests in a row after which the pilot ends.")
    ask_wait: float = key(10.0, "s", low=0.01, help="Wait between two requests; doubles each time, give or take half.")
    ask_wait_most: float = key(120.0, "s", low=0.01, help="Longest wait between two requests, give or take half.")
    time_floor: float = key(-1.0, "s", low=-1, help="Ask for another job until this age; -1: as the queue says.")
    lifetime: float = key(324000.0, "s", low=1, help="Longest life of the pilot.")
    lease: float = key(0.0, "s", low=0, help="Time for which the slot is lent to the pilot; 0: without an end.")
    walltime: float = key(0.0, "s", low=0, help="Time that the batch slot has left at the start; 0: not known.")
    reserve: float = key(180.0, "s", low=0, help="Part of these times kept for ending jobs and storing their logs.")
    most_load: float = key(
        0.0, "per core", low=0, help="Load of the node above which no job is asked for now; 0: whatever it is."
    )
    keep_workdir: bool = key(False, help="Leave the directories of jobs behind.")

    @property
    def lends(self) -> bool:
        """Whether jobs are not run, but lent to somebody beside the pilot."""
        return self.workflow == "stager"


class Verify(Section):
    """What a job must fulfil before anything is done for it."""

    signatures: str = choice(
        "never",
        "when_signed",
        "always",
        help="Jobs whose signature is verified; a queue may ask for more, not for less.",
    )
    keys: tuple[str, ...] = key((), help="Files of public keys (PEM, Ed25519); a signature by any of them counts.")
    transformation_urls: tuple[str, ...] = key(
        (), help="Addresses below which transformations may be fetched; the server's own /trf/ when left out."
    )
    transformation_size: int = key(100 * 10**6, "bytes", low=1, help="Largest transformation that is fetched.")


class Payload(Section):
    """Running the experiment's program."""

    grace: float = key(10.0, "s", low=0, help="Time between SIGTERM and SIGKILL for a payload that is to end.")
    soft_grace: float = key(120.0, "s", low=0, help="The same for one that may end in its own way (softkill).")
    environment: tuple[str, ...] = key(
        (),
        help="Variables that a payload gets from the pilot's environment beside the usual ones (PATH, HOME ...); "
        "patterns such as CMS_* too, but what may hold a secret only by its full name.",
    )
    proxy: bool = key(False, help="Payloads get X509_USER_PROXY, the path of the pilot's grid proxy.")
    utility_time: float = key(3600.0, "s", low=1, help="Longest time of a program that runs before or after a payload.")
    prmon: str = key("", help="The prmon program, to be run beside each payload; none when left out.")


class PayloadLimits(Section):
    """What one payload may take. A limit of 0 is left as the node has it."""

    memory: str = choice(
        "job",
        "queue",
        "none",
        help="Whose word limits a payload's memory: its job's (the queue's when that asks for nothing), "
        "the queue's (maxrss), or nobody's.",
    )
    memory_margin: float = key(
        2.0,
        "times",
        low=1,
        high=100,
        help="It may take so many times that memory, unless the queue's pilot_rss_grace says another.",
    )
    processes: int = key(0, "processes", low=0, help="Processes and threads of one payload, where cgroups count them.")
    cpu_margin: float = key(
        0.0, "times", low=0, high=100, help="One process may use so many times the job's CPU time (maxCpuCount)."
    )
    core: int = key(
        0, "bytes", low=-1, help="Largest core dump; -1: as the node has it. No limit for a job in debug mode."
    )
    file_size: int = key(0, "bytes", low=0, help="Largest file that a payload may write.")
    open_files: int = key(0, "files", low=0, help="Files that one process may have open.")
    stack: int = key(0, "bytes", low=0, help="Largest stack of one process.")
    address_space: int = key(0, "bytes", low=0, help="Largest address space of one process.")


class Container(Section):
    """Payloads in containers, where the queue's container_type names the pilot (apptainer:pilot)."""

    runtime: str = choice(
        "auto", "apptainer", "singularity", "podman", help="What containers are started with; auto: as the queue says."
    )
    program: str = key("", help="Path of that program; found on PATH when left out.")
    image: str = key("", help="Image for jobs that name none; such jobs run on the node itself when left out.")
    image_base: str = key(
        "", help="Folder of images that are named relatively; IMAGE_BASE of the queue goes before it."
    )
    images: tuple[str, ...] = key(
        ("/",), help="Images that may be run: folders such as /cvmfs, or addresses such as docker://host/project."
    )
    required: bool = key(False, help="Run no payload on the node itself.")
    binds: tuple[str, ...] = key((), help="What is seen in containers besides: source[:target[:ro]].")
    cvmfs: str = key("/cvmfs", help="Folder that is seen as /cvmfs, read-only, when the node has it.")
    also_at: str = key("", help="Further path at which a job sees its directory, such as /srv.")
    isolation: str = choice(
        "all", "contain", "none", help="all: own files, processes and queues; contain: own files; none: the node's."
    )
    userns: bool = key(False, help="Ask the runtime for a user namespace of the container's own.")
    gpu: str = choice("none", "nvidia", "amd", help="GPUs that containers see.")
    options: tuple[str, ...] = key((), help="Further options for the runtime; those of the queue follow them.")
    job_options: tuple[str, ...] = key(
        (
            *("--contain", "--containall", "--compat", "--userns", "--ipc", "--pid", "--uts", "--network", "--no-home"),
            *("--no-privs", "--drop-caps", "--cap-drop", "--nv", "--nvccli", "--rocm", "--init", "--no-init"),
            *("--read-only", "--writable-tmpfs", "--scratch", "--tmpfs", "--shm-size", "--pids-limit", "--memory"),
        ),
        help="Options that jobs may ask for themselves (execArgs of their containerOptions).",
    )
    job_binds: tuple[str, ...] = key(
        ("/cvmfs",),
        help="Folders below which jobs may bind what they like: folder[:rw]; only to be read unless it says rw.",
    )


class Copy(Section):
    """Bringing files and storing them."""

    attempts: int = key(2, "tries", low=1, high=20, help="Tries for one file, by each way to it.")
    at_once: int = key(4, "files", low=1, high=64, help="Files copied at the same time, of all jobs together.")
    base_time: float = key(400.0, "s", low=1, help="Time that any one try may take.")
    rate: float = key(1e6, "bytes/s", low=1, help="Slowest copy that is waited for, beyond that time.")
    early: bool = key(
        False, help="Store outputs while the payload runs, as it names them in finished_outputs.txt of its directory."
    )
    read_back: str = choice(
        "auto",
        "always",
        "never",
        help="Outputs that were copied to a folder are read there once more, past what memory has of them; "
        "auto: unless it is on a disk of this machine.",
    )
    open_time: float = key(180.0, "s", low=1, help="Time until an input that is read remotely is seen to be there.")
    most_time: float = key(10800.0, "s", low=1, help="Longest time for one job's inputs, or for its outputs.")
    log_time: float = key(600.0, "s", low=1, help="Longest time for packing and storing a log.")
    container: str = choice(
        "queue",
        "always",
        "never",
        help="Copy tools' programs run in a container: where the queue's container_type names middleware, or always.",
    )
    image: str = key("", help="Image of that container, with the programs; a name relative to container.image_base.")
    python: str = key("/usr/bin/python3", help="Python in that image, for libraries whose section names none.")


class Monitor(Section):
    """Watching running jobs. A limit of 0 switches its check off; a period shorter than ``checks`` means each look."""

    heartbeat: float = key(1800.0, "s", low=0.1, help="Time between two reports on a running job.")
    debug_heartbeat: float = key(60.0, "s", low=0.1, help="The same for a job in debug mode.")
    checks: float = key(60.0, "s", low=0.1, help="Time between two looks at a running job; no check looks more often.")
    breakages: int = key(3, "times", low=1, help="Breakages after which a check is switched off for its job.")
    free_disk: int = key(10**9, "bytes", low=0, help="Free space on the node below which a running job is ended.")
    free_disk_at_start: int = key(2 * 10**9, "bytes", low=0, help="Free space on the node that a job needs to begin.")
    disk_every: float = key(60.0, "s", low=0.1, help="Time between two looks at the free space.")
    workdir_size: int = key(
        14336 * MIB, "bytes", low=0, help="Largest directory of a job, where the queue gives no maxwdir."
    )
    workdir_grace: float = key(
        1.2,
        "times",
        low=1,
        high=100,
        help="A job's directory may have so many times its limit; pilot_maxwdir_grace of the queue, in percent, wins.",
    )
    workdir_every: float = key(60.0, "s", low=0.1, help="Time between two measurements of a job's directory.")
    looping: float = key(7200.0, "s", low=0, help="A payload is ended that writes no file for so long.")
    looping_by_cpu: bool = key(
        False, help="A payload that uses processor time counts as alive, though it writes nothing."
    )
    looping_every: float = key(300.0, "s", low=0.1, help="Time between two looks for newly written files.")
    output_size: int = key(500 * 10**9, "bytes", low=0, help="Largest output file.")
    output_every: float = key(60.0, "s", low=0.1, help="Time between two looks at the outputs.")
    stdout_size: int = key(
        2 * 1024 * MIB, "bytes", low=0, help="Largest standard output, or error output, of a payload."
    )
    stdout_every: float = key(60.0, "s", low=0.1, help="Time between two looks at what a payload prints.")
    memory_limit: str = choice(
        "first",
        "slot",
        "resource_type",
        "queue",
        "job",
        "none",
        help="Whose limit of memory counts: the slot's (max_rss_bytes of the job features), that of the job's resource "
        "type (maxrampercore), the queue's (maxrss), the job's (minRamCount), the first known of them, or nobody's.",
    )
    memory_grace: float = key(
        2.0,
        "times",
        low=1,
        high=100,
        help="A payload may take so many times the limit; pilot_rss_grace of the queue, in percent, wins.",
    )
    memory_hard: float = key(
        1.5, "times", low=1, high=100, help="So many times above that it is ended at the first look, not at the second."
    )
    memory_every: float = key(60.0, "s", low=0.1, help="Time between two measurements of memory.")
    cpu_grace: float = key(1.5, "times", low=0, high=100, help="A payload may use so many times the job's maxCpuCount.")
    cpu_every: float = key(60.0, "s", low=0.1, help="Time between two looks at the processor time.")
    processes: int = key(0, "processes", low=0, help="Most processes of a payload.")
    zombies: int = key(100, "processes", low=0, help="Dead processes of a payload above which the log warns.")
    processes_every: float = key(300.0, "s", low=0.1, help="Time between two counts of processes.")
    slot_margin: float = key(
        600.0,
        "s",
        low=0,
        help="Time before the end of the slot, as the batch system announces it, at which jobs are ended.",
    )
    slot_every: float = key(60.0, "s", low=0.1, help="Time between two looks at the machine and job features.")
    standstill: float = key(600.0, "s", low=1, help="A look that comes so late tells that the pilot was suspended.")
    mounts: tuple[str, ...] = key(
        (),
        help="Folders that have to answer, such as /cvmfs/compass.cern.ch; that of the queue's software always has to.",
    )
    mounts_time: float = key(30.0, "s", low=0.1, help="Longest time in which they answer.")
    mounts_every: float = key(600.0, "s", low=0.1, help="Time between two questions.")


class Credentials(Section):
    """The pilot's proxy and token. Their files are read anew each time, so that anybody may renew them."""

    every: float = key(600.0, "s", low=0.1, help="Time between two looks at them.")
    left: float = key(3600.0, "s", low=0, help="Life left below which the log warns and a new one is asked for.")
    at_start: float = key(0.0, "s", low=0, help="Life that is needed to ask for a job.")
    proxy_role: str = key(
        "", help="Role for which the server is asked for a new proxy, such as compass:/compass/Role=production."
    )
    token_key_file: str = key("", help="File with the key for which the server gives a new token.")
    token_client: str = key("pilot_server", help="Name by which the server knows who asks for a token.")


class Stop(Section):
    """Ending the pilot."""

    within: float = key(60.0, "s", low=1, help="Time after a first signal for ending jobs, storing logs, reporting.")
    within_again: float = key(5.0, "s", low=0.1, help="The same after a second signal.")
    preemption: tuple[str, ...] = key((), help="Signals, such as SIGUSR2, by which the batch system takes slots back.")


class Recovery(Section):
    """What becomes of jobs whose pilot has died."""

    outputs: str = choice("store", "drop", help="Outputs of a payload that ended well: store them, or report a loss.")
    logs: bool = key(True, help="Store the log of a job that was lost.")
    folder: str = key("", help="Folder, shared by nodes perhaps, to which a pilot moves what it could not settle.")
    age_most: float = key(604800.0, "s", low=0, help="Age of a job beyond which it is reported lost and removed.")
    keep_logs: float = key(604800.0, "s", low=0, help="Time for which the logs of pilots that failed or died are kept.")


class Plugins(Section):
    """The experiment's own code."""

    user: str = key("generic", help="Experiment whose plugin decides; generic and compass are built in.")
    also: tuple[str, ...] = key((), help="Further installed plugins (entry points of compass_pilot.plugins).")


class Log(Section):
    """The pilot's own log, and the logs of jobs."""

    debug: bool = key(False, help="Write more.")
    breakages: int = key(10, "per hour", low=0, help="Breakages of one part of the pilot after which it ends.")
    compression: str = choice("gzip", "zstd", help="Of a job's log; zstd needs the package zstandard, or Python 3.14.")
    most_of_file: int = key(100 * 2**20, "bytes", low=1000, help="What a job's log keeps of any one file.")
    most: int = key(2**30, "bytes", low=10**6, help="What it keeps in all; the longest files are left out.")
    failure_bundle: bool = key(True, help="Keep in the log of a job that failed what pilot replay needs.")
