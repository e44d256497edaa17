"""PanDA's CLOUDCONFIG, SITEACCESS and USERS, with all of PanDA's columns by their names.

Source of names, lengths, digits and defaults: PanDA's tables as they were last (until 2024; USERS still is).
"""

from __future__ import annotations

from django.core.validators import validate_email
from django.db import models

from server.pandaconfig.columns import TextColumn, TimeColumn, WholeColumn
from server.pandaconfig.models.schedconfig import text, whole


class Cloudconfig(models.Model):
    """One cloud: queues of a region that work for each other. Nothing here means that the column says nothing."""

    class Status(models.TextChoices):
        """Whether tasks are given to it."""

        ONLINE = "online", "online"
        OFFLINE = "offline", "offline"
        TEST = "test", "test"

    name = TextColumn("cloud's name", max_length=20, primary_key=True, blank=False, help_text="Such as CERN or RU.")
    description = text(50, "What it is, in words.")
    tier1 = text(20, "Its central site.")
    tier1se = text(400, "Storages of that site, separated by commas; the first is the default.")
    relocation = text(10, "Whether tasks may be moved to other clouds.")
    weight = whole(10, "How much of all tasks it gets, against the other clouds.")
    server = text(100, "Address of the server that it works with.")
    status = TextColumn(
        max_length=20, blank=False, choices=Status.choices, default=Status.ONLINE, help_text="online: takes tasks."
    )
    transtimelo = whole(10, "Days that a transfer of low priority may take.")
    transtimehi = whole(10, "Days that a transfer of high priority may take.")
    waittime = whole(10, "Hours that a job may wait before it is brokered again.")
    comment = text(200, "Words for whoever reads this row next.", db_column="comment_")
    space = whole(10, "Space that must stay free on its storages, in GB.")
    moduser = text(30, "Who wrote this row last.")
    modtime = TimeColumn(auto_now=True, help_text="When this row was written last.")
    validation = text(20, "'true' when it runs validation tasks.")
    mcshare = whole(10, "Its share of simulation, in percent.")
    countries = text(80, "Countries whose users it serves first, separated by commas.")
    fasttrack = text(20, "'true' when it takes urgent tasks.")
    nprestage = whole(19, "Files that are staged from its tapes at a time; 0: no limit.")
    pilotowners = text(300, "Certificates' names of who may send pilots, separated by bars.")
    dn = text(100, "Certificate's subject of who answers for the cloud.")
    email = text(60, "Whom to write to about the cloud.", validators=[validate_email])
    fairshare = text(256, "Shares of working groups.")
    auto_mcu = whole(1, "1: the share of slots with many cores is steered by itself.", choices=[(0, "no"), (1, "yes")])

    class Meta:
        db_table = "cloudconfig"
        ordering = ("name",)
        verbose_name = "cloud"

    def __str__(self) -> str:
        return self.name


class Siteaccess(models.Model):
    """What somebody may do at one site."""

    class Status(models.TextChoices):
        """How far a request for access has come."""

        REQUESTED = "requested", "requested"
        APPROVED = "approved", "approved"
        REJECTED = "rejected", "rejected"

    id = models.BigAutoField(primary_key=True)
    dn = TextColumn(max_length=100, blank=False, help_text="Subject of a certificate, as /DC=ch/.../CN=Name.")
    pandasite = TextColumn(max_length=100, blank=False, help_text="Site, or queue, that it is about.")
    poffset = WholeColumn(digits=10, low=None, help_text="What is added to the priority of the person's jobs there.")
    rights = text(30, "What the person may do there, such as run or admin.")
    status = TextColumn(
        max_length=20,
        blank=False,
        choices=Status.choices,
        default=Status.REQUESTED,
        help_text="Only approved counts.",
    )
    workinggroups = text(100, "Working groups for which it is, separated by commas; all when empty.")
    created = TimeColumn(help_text="When the request was made.")

    class Meta:
        db_table = "siteaccess"
        ordering = ("pandasite", "dn")
        verbose_name = verbose_name_plural = "site access"
        constraints = [models.UniqueConstraint(fields=["dn", "pandasite"], name="siteaccess_dn_pandasite")]

    def __str__(self) -> str:
        return f"{self.dn} at {self.pandasite}"


class PandaUser(models.Model):
    """One user as PanDA accounts for him. CPU is in seconds; a quota of 0 is none."""

    class Status(models.TextChoices):
        """Whether the user's jobs are taken."""

        ACTIVE = "", "active"
        DISABLED = "disabled", "disabled"

    id = models.BigAutoField(primary_key=True)
    name = TextColumn(max_length=60, blank=False, help_text="As jobs name the user (prodUserName).")
    dn = text(150, "Subject of the certificate, as /DC=ch/.../CN=Name.")
    email = text(60, "Where to write to.", validators=[validate_email])
    url = text(100, "The user's page.")
    location = text(60, "Where the user works, such as the country.")
    vo = text(20, "Virtual organisation, such as compass.")
    status = text(20, "disabled: nothing of this user is taken or started.", choices=Status.choices)
    classa = text(30, "Class in analysis.")
    classp = text(30, "Class in production.")
    classxp = text(30, "Class in express production.")
    sitepref = text(60, "Sites that are preferred, separated by commas.")
    gridpref = text(20, "Grid that is preferred.")
    queuepref = text(60, "Queues that are preferred, separated by commas.")
    scriptcache = text(100, "Where the user's scripts lie.")
    types = text(60, "Kinds of jobs that the user sends.")
    sites = text(250, "Sites that the user may use, separated by commas; all when empty.")
    njobsa = whole(10, "Jobs in analysis in all.")
    njobsp = whole(10, "Jobs in production in all.")
    njobs1 = whole(10, "Jobs of the last day.")
    njobs7 = whole(10, "Jobs of the last 7 days.")
    njobs30 = whole(10, "Jobs of the last 30 days.")
    cpua1 = whole(19, "CPU seconds in analysis in the last day.")
    cpua7 = whole(19, "CPU seconds in analysis in the last 7 days.")
    cpua30 = whole(19, "CPU seconds in analysis in the last 30 days.")
    cpup1 = whole(19, "CPU seconds in production in the last day.")
    cpup7 = whole(19, "CPU seconds in production in the last 7 days.")
    cpup30 = whole(19, "CPU seconds in production in the last 30 days.")
    cpuxp1 = whole(19, "CPU seconds in express production in the last day.")
    cpuxp7 = whole(19, "CPU seconds in express production in the last 7 days.")
    cpuxp30 = whole(19, "CPU seconds in express production in the last 30 days.")
    quotaa1 = whole(19, "CPU seconds that the user may use in analysis in a day.")
    quotaa7 = whole(19, "CPU seconds that the user may use in analysis in 7 days.")
    quotaa30 = whole(19, "CPU seconds that the user may use in analysis in 30 days.")
    quotap1 = whole(19, "CPU seconds that the user may use in production in a day.")
    quotap7 = whole(19, "CPU seconds that the user may use in production in 7 days.")
    quotap30 = whole(19, "CPU seconds that the user may use in production in 30 days.")
    quotaxp1 = whole(19, "CPU seconds that the user may use in express production in a day.")
    quotaxp7 = whole(19, "CPU seconds that the user may use in express production in 7 days.")
    quotaxp30 = whole(19, "CPU seconds that the user may use in express production in 30 days.")
    space1 = whole(10, "Space that outputs of the last day take, in GB.")
    space7 = whole(10, "Space that outputs of the last 7 days take, in GB.")
    space30 = whole(10, "Space that outputs of the last 30 days take, in GB.")
    lastmod = TimeColumn(auto_now=True, help_text="When this row was written last.")
    firstjob = TimeColumn(help_text="When the user's first job came.")
    latestjob = TimeColumn(help_text="When the user's latest job came.")
    pagecache = models.TextField(
        blank=True, default="", help_text="PanDA's rendering of the user's page; nothing reads it here."
    )
    cachetime = TimeColumn(help_text="When that was made.")
    ncurrent = whole(10, "Jobs that the user has at present.")
    jobid = whole(10, "The number that the user's next set of jobs gets.")

    class Meta:
        db_table = "users"
        ordering = ("name", "vo")
        verbose_name = "PanDA user"
        constraints = [models.UniqueConstraint(fields=["name", "vo"], name="users_name_vo")]
        indexes = [models.Index(fields=["dn"], name="users_dn")]

    def __str__(self) -> str:
        return f"{self.name} ({self.vo})" if self.vo else self.name
