"""The page for those who know PanDA's pilot: each name of theirs has a row, and each name of ours exists."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from pilot import hookspecs
from pilot.options import OBSOLETE, SETTING_OPTIONS
from pilot.settings import SECTIONS

PAGE = Path(__file__).parents[1] / "doc" / "explanation" / "coming-from-panda.md"
TEXT = PAGE.read_text()
#: (PanDA's names, what stands for them here), of every table.
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split(" | ", 1))
    for line in TEXT.splitlines()
    if line.startswith("| `") or line.startswith("| commands `") or line.startswith("| command `")
]
THEIRS = {name for left, _ in ROWS for name in re.findall(r"`([^`]+)`", left)}
OURS = sorted({name for _, right in ROWS for name in re.findall(r"`([^`]+)`", right)})
OPTIONS = {name for names, *_ in (*SETTING_OPTIONS, *OBSOLETE) for name in names} | {"--config"}
HOOKS = {name for name, one in vars(hookspecs).items() if hasattr(one, "compass-pilot_spec")}

#: What PanDA's pilot 3.11 has, as its sources say.
OPTIONS_OF_PANDA = """
--pilot-user -q --queue -a --workdir --cleanup -i --versiontag -z --noserverupdate --no-pilot-log -d --debug
--redirect-stdout -j --joblabel -v --getjobrequests -x --getjobfailures --country-group --working-group
--allow-other-country --allow-same-user --job-type -w --workflow -l --lifetime -L --leasetime -r -s --resource-type -b
--nocvmfs --stageout-attempts --harvester-workdir --harvester-datadir --harvester-eventstatusdump
--harvester-workerattributes --harvester-submit-mode --input-dir --input-destination-dir --output-dir --hpc-resource
--hpc-mode --es-executor-type --pod -t --noproxyverification -u --verifypayloadproxy -y --notokenrenewal --cacert
--capath --url -p --port --queuedata-url --storagedata-url --use-https -k --noworkerpilotstatusupdate
--subscribe-to-msgsvc -g --baseurls --use-realtime-logging --realtime-logging-server --realtime-logname
--use-rucio-traces --rucio-host
"""
#: Of these the page says that they are not there.
NOT_TAKEN = {"--input-dir", "--input-destination-dir", "--output-dir"}
VARIABLES = """
X509_USER_PROXY X509_CERT_DIR OIDC_AUTH_TOKEN PANDA_AUTH_TOKEN OIDC_AUTH_ORIGIN PANDA_AUTH_ORIGIN OIDC_AUTH_DIR
PANDA_AUTH_DIR PANDA_AUTH_TOKEN_KEY OIDC_REFRESHED_AUTH_TOKEN GTAG PANDA_JSID HARVESTER_ID HARVESTER_WORKER_ID
HARVESTER_WORKDIR HARVESTER_PILOT_CONFIG HARVESTER_HOROVOD PANDA_HOSTNAME _CONDOR_JOB_AD _CONDOR_MACHINE_AD
_CONDOR_SLOT ATHENA_PROC_NUMBER PILOT_NOKILL PILOT_LOGFILE PILOT_ES_EXECUTOR_TYPE PILOT_LOAD_FACTOR
PILOT_ENABLE_DELAY_TO_GET_JOB PANDA_BASE_URLS LOCAL_AGIS_SCHEDCONF RUCIO_LOCAL_SITE_ID ALRB_XCACHE_PROXY ATLAS_SW_BASE
MACHINEFEATURES JOBFEATURES storageLimitMiB storageRequestMiB XRD_LOGFILE IMAGE_BASE PANDA_PILOT_SOURCE
PANDAPILOT_LIFETIME NO_CVMFS_OK
"""
QUEUE_KEYS = """
nickname panda_resource atlas_site gstat state status type resource_type catchall environ appdir cmtconfig
container_options container_type copytools acopytools acopytools_schemas astorages aprotocols allow_lan allow_wan
direct_access_lan direct_access_wan use_pcache maxwdir maxrss maxinputsize timefloor corecount maxtime pledgedcpu
zip_time_gap is_cvmfs memkillgrace params.internet_protocol_version params.allow_altstageout
params.pilot_walltime_grace params.pilot_rss_grace params.pilot_maxwdir_grace params.job_maxwalltime
no_token_renewal curlgetjob setdebugmode loggingfile= mv_final_destination allow_wan_for_lib pilotXcache HPC_HPC
nopenfiles= IMAGE_BASE= singularity_options= apptainer_options= logging=
"""
FUNCTIONS = """
sanity_check validate get_payload_command update_job_data remove_redundant_files get_utility_commands
get_utility_command_setup get_utility_command_execution_order post_utility_command_action
get_utility_command_kill_signal get_utility_command_output_filename verify_job update_stagein get_metadata
update_server post_prestagein_utility_command process_debug_command preprocess_debug_command allow_timefloor
get_pilot_id download_command allow_send_workernode_map update_output_for_hpo get_rtlogging get_rtlogging_ssl
parse_jobreport_data do_use_container wrapper create_stagein_container_command create_middleware_container_command
mv_to_final_destination get_path get_core_count add_core_count set_core_counts interpret get_log_extracts
jobparams_prefiltering jobparams_postfiltering fail_at_getjob_none get_job_metrics allow_loopingjob_detection
remove_unwanted_files allow_memory_usage_verifications memory_usage fast_monitor_tasks verify_proxy get_voms_role
get_and_verify_proxy getproxy_dictionary get_analysis_trf get_valid_base_urls get_end_setup_time
get_schedconfig_priority get_queuedata_priority get_ddm_source_priority should_verify_setup precleanup
get_memory_monitor_info get_cpu_arch create_input_file_metadata get_last_update_file get_cvmfs_diagnostics_commands
esprocessfinegrainedproc
"""


@pytest.mark.parametrize("name", " ".join((OPTIONS_OF_PANDA, VARIABLES, QUEUE_KEYS, FUNCTIONS)).split())
def test_each_thing_that_pandas_pilot_has_is_found_on_the_page(name):
    assert name in THEIRS


@pytest.mark.parametrize("name", OPTIONS_OF_PANDA.split())
def test_every_option_of_pandas_pilot_is_taken_unless_the_page_says_that_it_is_not(name):
    assert (name in OPTIONS) is (name not in NOT_TAKEN)
    (row,) = [right for left, right in ROWS if f"`{name}`" in left]
    assert name not in NOT_TAKEN or "not there" in row


def test_the_page_names_something_of_ours():
    assert len(OURS) > 80


@pytest.mark.parametrize("name", OURS)
def test_what_stands_for_it_here_exists(name):
    section, dot, key = name.partition(".")
    if name.startswith("-"):
        assert name in OPTIONS
    elif name.endswith("()"):
        assert name[:-2] in HOOKS
    elif dot and section in SECTIONS:
        assert key in {spec.name for spec in dataclasses.fields(SECTIONS[section])}
    else:  # a file, a variable, a word; none that looks like a setting
        assert not re.fullmatch(r"[a-z]+\.[a-z_]+", name) or name.endswith((".json", ".txt", ".xml"))
