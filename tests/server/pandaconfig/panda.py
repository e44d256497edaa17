"""PanDA's four tables as they were last: columns, kinds (S text, N number, D date, C long text), limits, defaults."""

from __future__ import annotations

import re

_SCHEDCONFIG = """
name S60=default, nickname S60, queue S60, localqueue S50, system S60, sysconfig S20, environ S250, gatekeeper S120,
jobmanager S80, se S400, ddm S120, jdladd S500, globusadd S100, jdl S60, jdltxt S500, version S60, site S60, region S60,
gstat S60, tags S200, cmd S200, lastmod D, errinfo S80, nqueue N10=0, comment_ S500, appdir S500, datadir S80,
tmpdir S80, wntmpdir S80, dq2url S80, special_par S80, python_path S80, nodes N10=0, status S10=offline, copytool S80,
copysetup S200, releases S500, sepath S400, envsetup S200, copyprefix S500, lfcpath S80, seopt S400, sein S400,
seinopt S400, lfchost S80, cloud S60, siteid S60, proxy S80, retry S10, queuehours N7=0, envsetupin S200,
copytoolin S180, copysetupin S200, seprodpath S400, lfcprodpath S80, copyprefixin S360, recoverdir S80, memory N10=0,
maxtime N10=0, space N10=0, tspace D, cmtconfig S250, setokens S80, glexec S10, priorityoffset S60, allowedgroups S100,
defaulttoken S100, pcache S100, validatedreleases S500, accesscontrol S20, dn S100, email S60, allowednode S80,
maxinputsize N10, timefloor N5, depthboost N10, idlepilotsupression N10, pilotlimit N10, transferringlimit N10,
cachedse N1, corecount N3, countrygroup S64, availablecpu S64, availablestorage S64, pledgedcpu S64, pledgedstorage S64,
statusoverride S256=offline, allowdirectaccess S10=False, gocname S64=site, tier S15, multicloud S64, lfcregister S10,
stageinretry N10=2, stageoutretry N10=2, fairsharepolicy S512, allowfax S64, faxredirector S256, maxwdir N10,
celist S4000, minmemory N10, maxmemory N10, mintime N10, allowjem S64, catchall S512, faxdoor S128, wansourcelimit N5,
wansinklimit N5, auto_mcu N1=0, objectstore S512, allowhttp S64, httpredirector S256, multicloud_append S64,
corepower N, wnconnectivity S256, cloudrshare S256, sitershare S256, autosetup_post S512, autosetup_pre S512,
direct_access_lan S32=False, direct_access_wan S32=False, maxrss N6=0, minrss N6=0, use_newmover S32=False,
pilotversion S32=current, objectstores S4000, container_options S1024, container_type S256, jobseed S16,
pilot_manager S16, capability S16, resource_type S16, workflow S16, maxdiskio N10
"""
_CLOUDCONFIG = """
name S20, description S50, tier1 S20, tier1se S400, relocation S10, weight N10=0, server S100, status S20,
transtimelo N10=0, transtimehi N10=0, waittime N10=0, comment_ S200, space N10=0, moduser S30, modtime D,
validation S20, mcshare N10=0, countries S80, fasttrack S20, nprestage N19=0, pilotowners S300, dn S100, email S60,
fairshare S256, auto_mcu N1=0
"""
_SITEACCESS = "id N19, dn S100, pandasite S100, poffset N10=0, rights S30, status S20, workinggroups S100, created D"
_USERS = """
id N19, name S60, dn S150, email S60, url S100, location S60, classa S30, classp S30, classxp S30, sitepref S60,
gridpref S20, queuepref S60, scriptcache S100, types S60, sites S250, njobsa N10, njobsp N10, njobs1 N10, njobs7 N10,
njobs30 N10, cpua1 N19, cpua7 N19, cpua30 N19, cpup1 N19, cpup7 N19, cpup30 N19, cpuxp1 N19, cpuxp7 N19, cpuxp30 N19,
quotaa1 N19, quotaa7 N19, quotaa30 N19, quotap1 N19, quotap7 N19, quotap30 N19, quotaxp1 N19, quotaxp7 N19,
quotaxp30 N19, space1 N10, space7 N10, space30 N10, lastmod D, firstjob D, latestjob D, pagecache C, cachetime D,
ncurrent N10=0, jobid N10=0, status S20, vo S20
"""


def _columns(text: str) -> dict[str, tuple[str, int, str]]:
    """Answer (kind, length or digits, default) by column."""
    found = re.findall(r"(\w+) ([SNDC])(\d*)(?:=(\w+))?", text)
    return {name: (kind, int(size or 0), default) for name, kind, size, default in found}


TABLES = {
    "schedconfig": _columns(_SCHEDCONFIG),
    "cloudconfig": _columns(_CLOUDCONFIG),
    "siteaccess": _columns(_SITEACCESS),
    "users": _columns(_USERS),
}
KEYS = {"schedconfig": "nickname", "cloudconfig": "name", "siteaccess": "id", "users": "id"}

_KINDS = {
    "postgresql": {"S": "varchar({})", "N": "numeric({},0)", "D": "timestamp", "C": "text", "F": "numeric"},
    "mysql": {"S": "varchar({})", "N": "decimal({},0)", "D": "datetime", "C": "text", "F": "decimal(12,3)"},
    "sqlite": {"S": "varchar({})", "N": "decimal({},0)", "D": "datetime", "C": "text", "F": "decimal(12,3)"},
}
_KINDS_OF_JSON = {"postgresql": "json", "mysql": "longtext", "sqlite": "text"}


def statements(vendor: str) -> list[str]:
    """Write PanDA's tables for a database; nothing may be more than NULL but the keys, as there."""
    made = []
    for table, columns in TABLES.items():
        lines = [_line(vendor, name, *said, is_key=name == KEYS[table]) for name, said in columns.items()]
        made.append(f"CREATE TABLE {table} ({', '.join(lines)}, PRIMARY KEY ({KEYS[table]}))")
    data = _KINDS_OF_JSON[vendor]
    moment = _KINDS[vendor]["D"]
    made.append(
        f"CREATE TABLE schedconfig_json (panda_queue varchar(50) PRIMARY KEY, data {data}, last_update {moment})"
    )
    return made


def _line(vendor: str, name: str, kind: str, size: int, default: str, *, is_key: bool) -> str:
    if vendor == "mysql" and kind == "S" and size >= 200:
        kind = "C"  # a row of MariaDB has no room for so many
    written = _KINDS[vendor]["F" if kind == "N" and not size else kind].format(size)
    said = f" DEFAULT {default if kind == 'N' else repr(default)}" if default else ""
    return f"{name} {written}{said}{' NOT NULL' if is_key else ''}"
