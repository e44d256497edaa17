"""One sentence for each field of the messages that pilots send in ``/api/v1``."""

from __future__ import annotations

from collections.abc import Mapping

_MEMORY = {
    f"{prefix}_{kind}": f"{adjective} {words} of the payload's processes, kB."
    for prefix, adjective in (("max", "Highest"), ("avg", "Average"))
    for kind, words in (("rss", "RSS"), ("vmem", "virtual memory"), ("swap", "swap"), ("pss", "PSS"))
}
_TRAFFIC = {
    f"{prefix}_{kind}": f"{begin} {words}{unit}."
    for prefix, begin, unit in (("tot", "Bytes", ""), ("rate", "Bytes", " per second"))
    for kind, words in (
        ("rchar", "read, from caches too"),
        ("wchar", "written, to caches too"),
        ("rbytes", "read from disk"),
        ("wbytes", "written to disk"),
    )
}

WORDS: Mapping[str, str] = {
    # Asking for work.
    "site_name": "The queue.",
    "prod_source_label": "Kind of jobs that are wanted: managed, user, test ...",
    "n_jobs": "Most jobs that are wanted.",
    "memory": "Memory for a job, MB of 2**20 bytes.",
    "disk_space": "Disk for a job, MB of 2**20 bytes.",
    "node": "The worker node.",
    "computing_element": "The computing element.",
    "remaining_time": "Seconds that the pilot will still live.",
    "task_id": "Jobs of this task alone.",
    "prod_user_id": "Jobs of this user alone; passed over here.",
    "resource_type": "PanDA's resource type; passed over here: jobs ask for cores and memory themselves.",
    "job_type": "Kind of jobs that a Harvester has submitted the worker for; passed over here.",
    "scheduler_id": "Number of the pilot in its batch system.",
    "harvester_id": "Name of the Harvester.",
    "worker_id": "Number of the Harvester's worker.",
    "timeout": "Seconds that PanDA's database may take; nothing depends on it here.",
    "background": "Whether jobs that run beside others are wanted; passed over here.",
    "via_topic": "Whether the pilot hears a message broker; passed over here.",
    "get_proxy_key": "Whether the key of a proxy is wanted; passed over here.",
    # Reporting on a job.
    "job_id": "Number of the job, its PandaID.",
    "job_status": "The state that the job is in now.",
    "attempt_nr": "The attempt; the first, when left out.",
    "start_time": "When the job began, YYYY-MM-DD HH:MM:SS in UTC.",
    "end_time": "When the job ended, YYYY-MM-DD HH:MM:SS in UTC.",
    "pilot_id": "The pilot, and its version.",
    "batch_id": "Number of the pilot in its batch system.",
    "job_output_report": "The files stored, JSON: lfn -> {guid, fsize, adler32, surl, endpoint}.",
    "meta_data": "The payload's own report, JSON.",
    "pilot_error_code": "Number of the pilot's error, 0 for none.",
    "pilot_error_diag": "The pilot's error in words.",
    "exe_error_code": "Number of the payload's error, 0 for none.",
    "exe_error_diag": "The payload's error in words.",
    "trans_exit_code": "Exit status of the payload.",
    "pilot_log": "Last lines of the pilot's log.",
    "pilot_timing": "Seconds of the pilot's steps, with | between them.",
    "stdout": "Last lines of the payload's output, or what a command has shown.",
    "job_sub_status": "More about the state, in a word.",
    "job_metrics": "Measurements, name=value with blanks between them.",
    "n_events": "Events done.",
    "n_input_files": "Input files that were read.",
    "core_count": "Cores that the job had.",
    "mean_core_count": "Cores that the job used on average.",
    "cpu_consumption_time": "CPU time of the payload, seconds.",
    "cpu_consumption_unit": "Model of the processor.",
    "cpu_conversion_factor": "Speed of the processor, relative.",
    "cpu_architecture_level": "Level of the instruction set, as x86_64-v3.",
    **_MEMORY,
    **_TRAFFIC,
    "corrupted_files": "Inputs that were found broken, with commas between them.",
    "grid": "The grid; passed over here.",
    "source_site": "Where the job's inputs came from.",
    "destination_site": "Where the job's outputs went.",
    "compass_transfers": "Each try to copy a file, JSON; said to a server that has announced our contract.",
    # Workers and their nodes.
    "status": "What the worker's pilot does: started or finished.",
    "node_id": "The worker node.",
    "site": "The site.",
    "host_name": "The worker node.",
    "cpu_model": "Model of the processor.",
    "panda_queue": "The queue.",
    "n_logical_cpus": "Logical processors.",
    "n_sockets": "Sockets.",
    "cores_per_socket": "Cores in a socket.",
    "threads_per_core": "Threads of a core.",
    "cpu_architecture": "Architecture of the processor, as x86_64.",
    "clock_speed": "Clock of the processor, MHz.",
    "total_memory": "Memory, MB of 2**20 bytes.",
    "total_local_disk": "Local disk, GB of 2**30 bytes.",
    "vendor": "Maker of the GPUs.",
    "model": "Model of the GPUs.",
    "count": "GPUs of this model.",
    "vram": "Memory of one GPU, MB of 2**20 bytes.",
    "architecture": "Architecture of the GPUs.",
    "framework": "Software of the GPUs, as CUDA.",
    "framework_version": "Version of that software.",
    "driver_version": "Version of the driver.",
}
