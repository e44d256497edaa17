"""How a queue's columns stand on its page: groups that an administrator looks for, what acts first."""

from __future__ import annotations

from server.pandaconfig.merge import DECISIVE

#: Title, words, and columns of each group of a queue; ``beside`` is the JSON, ``reason`` why it is changed.
QUEUE: tuple[tuple[str, str, str], ...] = (
    (
        "Queue",
        "Who it is, and what it may be given.",
        """
        nickname status siteid gstat cloud region resource_type catchall comment reason
        """,
    ),
    (
        "Slots",
        "What one slot has. Sizes are in MB, times in seconds; 0 means that nobody said, or no limit.",
        """
        corecount corepower maxrss minrss maxtime mintime maxwdir maxinputsize maxdiskio timefloor cmtconfig
        releases appdir environ container_type container_options pilotversion
        """,
    ),
    (
        "Who may",
        "Whose jobs it takes, and how many.",
        """
        countrygroup allowedgroups accesscontrol capability workflow jobseed priorityoffset fairsharepolicy
        transferringlimit pilotlimit nqueue depthboost idlepilotsupression cloudrshare sitershare
        """,
    ),
    (
        "Storages and copying",
        "How files come and go; copy tools and storages by activity stand in the JSON.",
        """
        beside direct_access_lan direct_access_wan copytool copytoolin stageinretry stageoutretry copysetup
        copysetupin copyprefix copyprefixin allowdirectaccess use_newmover pcache wansourcelimit wansinklimit
        wnconnectivity ddm objectstore objectstores allowhttp httpredirector allowfax faxredirector faxdoor
        cachedse
        """,
    ),
    (
        "Site",
        "The site, its people and what it pledged.",
        """
        site gocname tier multicloud multicloud_append email dn tags availablecpu availablestorage pledgedcpu
        pledgedstorage nodes auto_mcu queuehours
        """,
    ),
    (
        "Batch system and pilots",
        "How pilots reach it from elsewhere; our own factory has a page of its own.",
        """
        pilot_manager system sysconfig queue localqueue gatekeeper jobmanager celist jdl jdltxt jdladd globusadd
        special_par cmd version proxy glexec python_path allowednode
        """,
    ),
    (
        "PanDA's older columns",
        "Kept and handed on for tools that read them.",
        """
        name statusoverride memory minmemory maxmemory space tspace tmpdir wntmpdir datadir recoverdir retry
        envsetup envsetupin autosetup_pre autosetup_post validatedreleases errinfo allowjem se sein seopt
        seinopt sepath seprodpath setokens defaulttoken dq2url lfchost lfcpath lfcprodpath lfcregister
        """,
    ),
)

_HANDED_ON = "Handed on to pilots and tools; nothing on this server decides by it."


def help_of(column: str, words: str) -> str:
    """Answer a queue's column's help, which says whether it acts here."""
    return words if column in DECISIVE or column in {"nickname", "comment", "email"} else f"{words} {_HANDED_ON}"


#: The same of a user as PanDA accounts for him.
USER: tuple[tuple[str, str, str], ...] = (
    ("User", "Who it is.", "name vo status dn email url location reason"),
    (
        "Preferences",
        "What the user may use, and prefers.",
        "sites sitepref gridpref queuepref types classa classp classxp scriptcache",
    ),
    (
        "Quotas",
        "CPU seconds in 1, 7 and 30 days, in analysis (a), production (p) and express production (xp); 0: no quota.",
        "quotaa1 quotaa7 quotaa30 quotap1 quotap7 quotap30 quotaxp1 quotaxp7 quotaxp30",
    ),
    (
        "Counted by PanDA",
        "What an existing PanDA has counted; this server's own sums are under Usage.",
        """
        njobsa njobsp njobs1 njobs7 njobs30 cpua1 cpua7 cpua30 cpup1 cpup7 cpup30 cpuxp1 cpuxp7 cpuxp30 space1 space7
        space30 firstjob latestjob ncurrent jobid pagecache cachetime
        """,
    ),
)
