"""PanDA's SCHEDCONFIG: one row for each queue, with all of PanDA's columns by their names, and the JSON beside it.

Source of names, lengths, digits and defaults: PanDA's table as it was last (133 columns, until 2024).
"""

from __future__ import annotations

from typing import Any

from django.core.validators import validate_email
from django.db import models

from server.pandaconfig.columns import JsonColumn, NumberColumn, TextColumn, TimeColumn, WholeColumn


class Status(models.TextChoices):
    """What the queue may be given."""

    ONLINE = "online", "online"
    OFFLINE = "offline", "offline"
    TEST = "test", "test"
    BROKEROFF = "brokeroff", "brokeroff"
    STANDBY = "standby", "standby"
    PAUSED = "paused", "paused"


class Truth(models.TextChoices):
    """PanDA's words for yes and no."""

    TRUE = "True", "True"
    FALSE = "False", "False"


def text(length: int, help_text: str, **options: Any) -> TextColumn:
    return TextColumn(max_length=length, help_text=help_text, **options)


def whole(digits: int, help_text: str, **options: Any) -> WholeColumn:
    return WholeColumn(digits=digits, help_text=help_text, **options)


def truth(length: int, help_text: str) -> TextColumn:
    return TextColumn(max_length=length, help_text=help_text, choices=Truth.choices, default=Truth.FALSE)


class Schedconfig(models.Model):
    """One queue. A column at its default says nothing, and what the JSON says counts; the status always says."""

    Status = Status

    # Who it is
    nickname = TextColumn("queue's name", max_length=60, primary_key=True, blank=False, help_text="By which it is called everywhere, such as SITE_MCORE.")  # fmt: skip  # noqa: E501
    name = text(60, "PanDA's older name of the queue; nothing reads it here.", default="default")
    siteid = text(60, "The PanDA site it belongs to; the queue's own name when empty.")
    gstat = text(60, "The site as people call it, such as CERN-PROD.")
    site = text(60, "The institute or computing centre.")
    gocname = text(64, "The site's name in the grid's registry (GOCDB or OIM).", default="site")
    cloud = text(60, "The cloud it belongs to: one of the table of clouds.")
    multicloud = text(64, "Further clouds it serves, separated by commas.")
    multicloud_append = text(64, "Clouds that are added to those, separated by commas.")
    region = text(60, "The region of the site.")
    tier = text(15, "The site's tier, such as T1 or T2D.")
    comment = text(500, "Words for whoever reads this row next.", db_column="comment_")
    email = text(60, "Whom to write to about the queue.", validators=[validate_email])
    dn = text(100, "Certificate's subject of who answers for the queue.")
    tags = text(200, "Words to find it by.")
    lastmod = TimeColumn(auto_now=True, help_text="When this row was written last.")
    # What it may be given
    status = TextColumn(max_length=10, blank=False, choices=Status.choices, default=Status.OFFLINE, help_text="online: takes jobs. brokeroff: ends what it has, and gets nothing new. test: takes test jobs. offline, paused: takes nothing. standby: takes jobs when asked for.")  # fmt: skip  # noqa: E501
    statusoverride = text(256, "PanDA's note of a status set by hand; nothing reads it here.", default="offline")
    accesscontrol = text(20, "'grouplist' when only the groups below are let in.")
    allowedgroups = text(100, "Working groups that are let in, separated by commas; all when empty.")
    countrygroup = text(64, "Countries whose users it serves first, separated by commas.")
    priorityoffset = text(60, "What is added to the priority of its jobs.")
    fairsharepolicy = text(512, "Shares of kinds of jobs, such as 'type=analysis:20%,type=any:80%'.")
    resource_type = text(16, "What it is: GRID, hpc, cloud ...")
    capability = text(16, "How many cores its jobs may use: score, mcore or ucore.")
    workflow = text(16, "How pilots are sent, such as pull or push.")
    jobseed = text(16, "Kinds of jobs it is for, such as std, es or all.")
    catchall = text(512, "Words that steer rare behaviour, separated by commas, or a JSON object.")
    # The slots
    corecount = whole(3, "Cores of a slot; 0: one.")
    corepower = NumberColumn(help_text="Benchmark of one core, in HS06 or HS23.")
    maxrss = whole(6, "Memory of a slot in MB.")
    minrss = whole(6, "Memory in MB below which a job is not sent here.")
    maxmemory = whole(10, "Memory of a slot in MB, in older words; maxrss counts.")
    minmemory = whole(10, "Least memory of a job in MB, in older words; minrss counts.")
    memory = whole(10, "Memory of a node in MB, in the oldest words.")
    maxtime = whole(10, "Longest wall time of a job in seconds; 0: no limit.")
    mintime = whole(10, "Shortest wall time in seconds of a job that is sent here.")
    maxwdir = whole(10, "Largest work directory in MB.")
    maxinputsize = whole(10, "All inputs of a job together, in MB.")
    maxdiskio = whole(10, "What a job may read and write per core, in kB/s.")
    timefloor = whole(5, "Minutes for which a pilot goes on asking for further jobs.")
    queuehours = whole(7, "Longest stay in the batch system, in hours.")
    nodes = whole(10, "Nodes behind the queue.")
    availablecpu = text(64, "Cores that there are.")
    availablestorage = text(64, "Storage that there is, in TB.")
    pledgedcpu = text(64, "Cores that were promised; -1: they are only borrowed and may be gone at any time.")
    pledgedstorage = text(64, "Storage that was promised, in TB.")
    auto_mcu = whole(1, "1: the share of slots with many cores is steered by itself.", choices=[(0, "no"), (1, "yes")])
    # Limits
    nqueue = whole(10, "Pilots that are kept waiting in the batch system.")
    depthboost = whole(10, "Factor by which more pilots are kept waiting while there is much to do.")
    idlepilotsupression = whole(10, "One of so many pilots is sent while there is nothing to do.")
    pilotlimit = whole(10, "Most pilots at a time; 0: no limit.")
    transferringlimit = whole(10, "Jobs whose outputs are on their way, beyond which none are sent here; 0: no limit.")
    cloudrshare = text(256, "Share of jobs of other clouds.")
    sitershare = text(256, "Share of jobs by kind at the site.")
    # Software
    cmtconfig = text(250, "Platforms that it runs, separated by commas.")
    releases = text(500, "Releases that are installed, separated by commas; any when empty.")
    validatedreleases = text(500, "'True' when releases were tested there.")
    appdir = text(500, "Where the software lies on the nodes; an absolute path.")
    environ = text(250, "Environment of the payload, as NAME=value separated by blanks.")
    envsetup = text(200, "File that sets up the environment before a copy out.")
    envsetupin = text(200, "File that sets up the environment before a copy in.")
    autosetup_pre = text(512, "What is run before the release is set up.")
    autosetup_post = text(512, "What is run after the release was set up.")
    python_path = text(80, "The python for pilots on the nodes; an absolute path.")
    container_type = text(256, "Program and who starts it, such as 'apptainer:pilot'.")
    container_options = text(1024, "What that program is started with.")
    # Pilots and batch system
    pilotversion = text(32, "Version of pilots that is sent.", default="current")
    pilot_manager = text(16, "Who sends pilots, such as Harvester or APF.")
    system = text(60, "Kind of batch system, such as slurm or htcondor.")
    sysconfig = text(20, "Its configuration.")
    queue = text(60, "The compute element's address with its queue.")
    localqueue = text(50, "The batch system's own queue or partition.")
    gatekeeper = text(120, "Host of the compute element.")
    jobmanager = text(80, "Kind of the compute element, such as arc or htcondor-ce.")
    celist = text(4000, "Compute elements, as JSON or separated by commas.")
    jdl = text(60, "Name of the description that pilots are submitted with.")
    jdltxt = text(500, "The description itself.")
    jdladd = text(500, "Lines that are added to it.")
    globusadd = text(100, "RSL that is added to it.")
    special_par = text(80, "Further parameters of submission, such as (queue=long).")
    cmd = text(200, "Command that submits a pilot.")
    version = text(60, "Version of that command.")
    errinfo = text(80, "What went wrong with it last.")
    allowednode = text(80, "Nodes that may be used.")
    glexec = text(10, "'True' when payloads run under their users' own accounts.")
    proxy = text(80, "Kind of the proxy that pilots carry.")
    retry = text(10, "'TRUE' when the pilot may bring back lost jobs.")
    recoverdir = text(80, "Folder that lost jobs are brought back from.")
    tmpdir = text(80, "Folder for temporary files; an absolute path.")
    wntmpdir = text(80, "The same on the nodes.")
    datadir = text(80, "Folder for data on the nodes.")
    space = whole(10, "Free space in GB, as it was seen last.")
    tspace = TimeColumn(help_text="When that was seen.")
    allowjem = text(64, "'True' when jobs may be watched by JEM.")
    # Copying
    copytool = text(80, "Copy tool for outputs, where the JSON names none.")
    copytoolin = text(180, "Copy tool for inputs, where the JSON names none.")
    copysetup = text(200, "What is sourced before a copy out.")
    copysetupin = text(200, "What is sourced before a copy in.")
    copyprefix = text(500, "How addresses are rewritten for a copy out, as old^new.")
    copyprefixin = text(360, "How addresses are rewritten for a copy in, as old^new.")
    stageinretry = whole(10, "Tries of a copy in.", default=2)
    stageoutretry = whole(10, "Tries of a copy out.", default=2)
    pcache = text(100, "Command in front of a copy that keeps files for later jobs of the node.")
    use_newmover = truth(32, "Whether the pilot's newer copying is used; it always is here.")
    allowdirectaccess = truth(10, "Whether inputs may be read where they lie, in older words.")
    direct_access_lan = truth(32, "Whether inputs may be read where they lie, within the site.")
    direct_access_wan = truth(32, "Whether inputs may be read where they lie, at other sites.")
    allowfax = text(64, "'True' when inputs may come from a federation of storages.")
    faxredirector = text(256, "Address of its redirector.")
    faxdoor = text(128, "Address of the site's own door to it.")
    allowhttp = text(64, "'True' when inputs may come by HTTP.")
    httpredirector = text(256, "Address of its redirector.")
    wansourcelimit = whole(5, "Transfers from other sites at a time.")
    wansinklimit = whole(5, "Transfers to other sites at a time.")
    wnconnectivity = text(256, "What nodes can reach: full, http or none, and by which protocol (full#IPv6).")
    # Storages
    ddm = text(120, "Storages in the data management's words, separated by commas; the first is the default.")
    se = text(400, "Storage element for outputs, in the LCG's words.")
    sein = text(400, "Storage element for inputs, in the LCG's words.")
    seopt = text(400, "Options of copies out.")
    seinopt = text(400, "Options of copies in.")
    sepath = text(400, "Path on the storage for outputs of users.")
    seprodpath = text(400, "Path on the storage for outputs of production.")
    setokens = text(80, "Space tokens of the storage, separated by commas.")
    defaulttoken = text(100, "The token that is used where none is named.")
    cachedse = whole(1, "1: the storage is a cache.", choices=[(0, "no"), (1, "yes")])
    dq2url = text(80, "Address of the site's catalogue service.")
    lfchost = text(80, "Host of the LFC file catalogue.")
    lfcpath = text(80, "Path in it for outputs of users.")
    lfcprodpath = text(80, "Path in it for outputs of production.")
    lfcregister = text(10, "'server' when outputs are registered by the server, not the pilot.")
    objectstore = text(512, "Object storage of the queue, as name and address.")
    objectstores = text(4000, "Object storages, as JSON.")

    class Meta:
        db_table = "schedconfig"
        ordering = ("nickname",)
        verbose_name = "queue"
        # Beside the primary key: what pages filter by, and what brokerage asks for.
        indexes = [
            models.Index(fields=["siteid"], name="schedconfig_siteid"),
            models.Index(fields=["status"], name="schedconfig_status"),
            models.Index(fields=["cloud"], name="schedconfig_cloud"),
        ]

    def __str__(self) -> str:
        return self.nickname


class SchedconfigJson(models.Model):
    """What CRIC says of a queue beyond the columns: copy tools, storages, protocols, params."""

    panda_queue = models.OneToOneField(
        Schedconfig, on_delete=models.CASCADE, primary_key=True, related_name="json", db_column="panda_queue"
    )
    data = JsonColumn(default=dict, blank=True)
    last_update = TimeColumn(auto_now=True)

    class Meta:
        db_table = "schedconfig_json"
        verbose_name = "queue's JSON"
        verbose_name_plural = "queues' JSON"

    def __str__(self) -> str:
        return str(self.panda_queue_id)
