"""Numbers that the pilot reports and the server, the pages and the operators read.

One number per cause; a number, once given out, is never given another meaning. Up to 1386 the numbers are PanDA's, so
that its pages, tools and people read ours and we read theirs (some stand here only for that); our own begin at 1900.
"""

from __future__ import annotations

from enum import IntEnum

PASSES = True


class ErrorCode(IntEnum):
    """What a job's ``pilotErrorCode`` holds; 0 is success and has no member.

    A member is its number, and carries ``words`` (what happened), ``advice`` (what to do about it) and ``passes``
    (whether another attempt, elsewhere or later, may end well).
    """

    words: str
    advice: str
    passes: bool

    def __new__(cls, number: int, words: str = "", advice: str = "", passes: bool = False) -> ErrorCode:
        """Make the member; called by the enum machinery only, which also looks members up by their number alone."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.words, member.advice, member.passes = words, advice, passes
        return member

    GENERAL_ERROR = 1008, "the pilot failed in a way that has no number of its own", "read the pilot log", PASSES
    NO_LOCAL_SPACE = (
        1098,
        "the node's disk is full or too small for the job",
        "free the disk, or raise the queue's maxwdir",
        PASSES,
    )
    STAGE_IN_FAILED = (
        1099,
        "an input file did not arrive",
        "read the transfer's last words in the pilot log; check the storage",
        PASSES,
    )
    REPLICA_NOT_FOUND = 1100, "no replica of an input file is known", "register the file, or correct its name"
    NO_SUCH_FILE = 1103, "an input file does not exist where it should lie", "check the storage path and the catalogue"
    WORKDIR_TOO_LARGE = 1104, "the job's directory grew past its limit", "raise maxwdir or write less"
    STDOUT_TOO_BIG = 1106, "the payload wrote more to stdout or stderr than it may", "make it print less"
    SETUP_FAILURE = 1110, "the experiment's environment could not be set up", "check the software on the node", PASSES
    QUEUEDATA = 1116, "the queue's description could not be read", "check the queue's name and the server", PASSES
    QUEUEDATA_NOT_OK = 1117, "the queue's description lacks what the job needs", "add what the message names"
    OUTPUT_TOO_LARGE = 1124, "an output file is larger than allowed", "write smaller files"
    NO_STORAGE = 1133, "no storage is configured for this transfer", "set astorages of the queue"
    STAGE_OUT_FAILED = (
        1137,
        "an output file could not be stored",
        "read the transfer's last words in the pilot log; check the storage",
        PASSES,
    )
    PUT_MD5_MISMATCH = (
        1141,
        "the stored output has another MD5 than the one written",
        "store it again; check the storage",
        PASSES,
    )
    CHMOD_TRF = 1143, "the transformation could not be made executable", "check the node's file system", PASSES
    KILLED_BY_SERVER = 1144, "the job was killed by command of the server", "nothing to do: somebody asked for it"
    GET_MD5_MISMATCH = (
        1145,
        "an input arrived with another MD5 than the one registered",
        "check the replica and the catalogue",
        PASSES,
    )
    TRF_DOWNLOAD_FAILURE = (
        1149,
        "the transformation could not be fetched",
        "check its address and the allowed ones",
        PASSES,
    )
    PAYLOAD_LOOPING = (
        1150,
        "the payload wrote nothing for too long and was ended",
        "look where it hangs, or raise the limit",
        PASSES,
    )
    STAGE_IN_TIMEOUT = (
        1151,
        "an input file did not arrive in the time its size allows",
        "check the storage and the network",
        PASSES,
    )
    STAGE_OUT_TIMEOUT = (
        1152,
        "an output file was not stored in the time its size allows",
        "check the storage and the network",
        PASSES,
    )
    NO_PROXY = 1163, "the grid proxy is missing", "renew the proxy on the node", PASSES
    OUTPUT_MISSING = (
        1165,
        "the payload did not write a promised output file",
        "read the payload's output; correct the job's output list",
    )
    SIZE_TOO_LARGE = 1168, "the inputs together are larger than the queue allows", "raise maxinputsize, or give less"
    GET_ADLER_MISMATCH = (
        1171,
        "an input arrived with another adler32 than the one registered",
        "check the replica and the catalogue",
        PASSES,
    )
    PUT_ADLER_MISMATCH = (
        1172,
        "the stored output has another adler32 than the one written",
        "store it again; check the storage",
        PASSES,
    )
    NO_VOMS_PROXY = 1177, "the grid proxy has no valid VOMS part", "renew the proxy", PASSES
    NO_SOFTWARE_DIR = 1186, "the software directory is not on the node", "check appdir of the queue and CVMFS", PASSES
    NO_PAYLOAD_METADATA = 1187, "the payload left no job report", "read the payload's output"
    LFN_TOO_LONG = 1190, "a file name is longer than file systems allow", "shorten it to 255 bytes at most"
    ZERO_FILE_SIZE = 1191, "an output file to be stored is empty", "read the payload's output"
    MKDIR = 1199, "a directory could not be made", "check the node's disk and rights", PASSES
    KILL_SIGNAL = 1200, "the pilot was ended by a signal", "ask the batch system why", PASSES
    SIGTERM = 1201, "the pilot was ended by SIGTERM", "ask the batch system why it wanted the slot back", PASSES
    SIGQUIT = 1202, "the pilot was ended by SIGQUIT", "ask the batch system why it wanted the slot back", PASSES
    SIGSEGV = 1203, "the pilot was ended by SIGSEGV", "report it with the pilot log", PASSES
    SIGXCPU = 1204, "the batch system's limit of CPU time was reached", "raise the job's maxCpuCount", PASSES
    USER_KILL = 1205, "the job was killed by its user", "nothing to do: its owner asked for it"
    SIGBUS = 1206, "the pilot was ended by SIGBUS", "report it with the pilot log", PASSES
    SIGUSR1 = 1207, "the pilot was ended by SIGUSR1", "see which limit of the batch system was reached", PASSES
    SIGINT = 1208, "the pilot was interrupted", "nothing, if somebody pressed Ctrl-C; else ask the batch system", PASSES
    PAYLOAD_OUT_OF_MEMORY = 1212, "the payload was killed for want of memory", "raise the job's memory (minRamCount)"
    REACHED_MAX_TIME = (
        1213,
        "the job did not end in the time that was left",
        "ask for more wall time, or use a longer queue",
        PASSES,
    )
    UNKNOWN_PAYLOAD_FAILURE = 1220, "the payload failed and nothing says why", "read the payload's output", PASSES
    FILE_EXISTS = 1221, "the file to be stored exists already", "remove it, or give another name"
    BAD_ALLOC = 1223, "the payload could not allocate memory", "raise the job's memory (minRamCount)"
    ES_RECOVERABLE = 1224, "an event range failed in a way that may pass", "nothing: it is given out again", PASSES
    ES_FATAL = 1228, "the event service payload failed for good", "read the payload's output"
    PAYLOAD_EXCEEDED_MEMORY = 1235, "the payload used more memory than it may", "raise the job's memory (minRamCount)"
    FAILED_BY_SERVER = 1236, "the server declared the job failed", "see the job's events on the server", PASSES
    ES_NO_EVENTS = 1238, "there was no event range left", "nothing to do"
    MESSAGE_FAILURE = (
        1240,
        "a message between pilot and payload could not be handled",
        "report it with the pilot log",
        PASSES,
    )
    BAD_XML = 1247, "the file report cannot be read", "report it with the pilot log"
    UNKNOWN_EXCEPTION = 1301, "the pilot met an error it does not know", "report it with the pilot log", PASSES
    FILE_HANDLING = 1303, "a file could not be read or written on the node", "check the node's disk", PASSES
    PAYLOAD_FAILED = 1305, "the payload ended with an error", "read the payload's output"
    APPTAINER_GENERAL = 1306, "the container runtime failed", "read its words in the payload's error output", PASSES
    APPTAINER_NO_LOOP = 1307, "the node has no loop device left for the image", "use an unpacked image", PASSES
    APPTAINER_BIND = (
        1308,
        "a path could not be bound into the container",
        "check container_options of the queue, and that the path exists on the node",
        PASSES,
    )
    APPTAINER_MOUNT = 1309, "the container image could not be mounted", "check the image and CVMFS on the node", PASSES
    PAYLOAD_NOT_STARTED = 1310, "the payload could not be started", "check its program and the node", PASSES
    NO_STORAGE_PROTOCOL = 1313, "no protocol of the storage fits the copy tools", "set aprotocols and acopytools"
    RUCIO_UNAVAILABLE = 1316, "the Rucio service did not answer", "try again later", PASSES
    COMMUNICATION_FAILURE = 1318, "the server could not be reached", "check the network and the server", PASSES
    INTERNAL_ERROR = 1319, "the pilot has a fault of its own", "report it with the pilot log", PASSES
    LOG_CREATION_FAILED = 1320, "the log archive could not be made", "check the node's disk", PASSES
    RUCIO_LIST_REPLICAS = 1322, "Rucio did not list the replicas", "check the Rucio server and the account", PASSES
    UNKNOWN_COPY_TOOL = 1323, "the queue names a copy tool that this pilot has not", "correct copytools of the queue"
    SERVICE_NOT_AVAILABLE = 1324, "a service that the job needs did not answer", "try again later", PASSES
    NO_REPLICAS = 1326, "there is no replica of an input file", "check the catalogue"
    UNREACHABLE_NETWORK = 1327, "the storage cannot be reached", "check the network", PASSES
    MISSING_INPUT = 1331, "an input file is missing on the storage", "check the storage and the catalogue"
    BLACK_HOLE = 1332, "this node fails every job", "drain it", PASSES
    NO_REMOTE_SPACE = 1333, "the storage is full", "free space, or use another storage", PASSES
    MISSING_USER_CODE = 1335, "the user's code is not on the server any more", "submit the task again"
    JOB_ALREADY_RUNNING = 1336, "another pilot on this disk runs the same job", "nothing to do"
    STAGE_IN_AUTHENTICATION = (
        1338,
        "the storage refused the identity for reading",
        "renew proxy or token; check the rights",
        PASSES,
    )
    BAD_QUEUE_CONFIGURATION = 1341, "the queue's description contradicts itself", "correct the queue in the admin"
    MIDDLEWARE_IMPORT = (
        1342,
        "a library that a copy tool needs is not installed",
        "install the extra named in the message",
        PASSES,
    )
    RESOURCE_UNAVAILABLE = 1344, "the node refused another process or thread", "check the limits of the slot", PASSES
    EMPTY_OUTPUT = 1350, "a promised output file is empty", "read the payload's output"
    CORE_DUMP = 1355, "the payload left a core dump", "run the failure bundle under a debugger"
    PREPROCESS_FAILED = 1356, "the preprocess failed", "read its output"
    POSTPROCESS_FAILED = 1357, "the postprocess failed", "read its output"
    QUEUE_NOT_ACTIVE = 1359, "the queue is not active", "set its state in the admin", PASSES
    IMAGE_NOT_FOUND = 1360, "the container image was not found", "check its name and CVMFS"
    REMOTE_FILE_NOT_OPENED = 1361, "a remote input could not be opened", "check the storage", PASSES
    KILL_PAYLOAD_FILE = 1363, "the payload was ended by a kill file", "nothing to do: somebody asked for it"
    CHECKSUM_FAILED = 1366, "a checksum could not be computed", "check the node's disk", PASSES
    COMMAND_TIMED_OUT = 1367, "a command took too long", "see which in the message", PASSES
    REMOTE_OPEN_TIMED_OUT = 1368, "opening a remote input took too long", "check the storage", PASSES
    PROXY_ABOUT_TO_EXPIRE = 1370, "the proxy is about to expire", "renew it", PASSES
    APPTAINER_NOT_INSTALLED = 1372, "no container runtime on the node", "install Apptainer", PASSES
    CERTIFICATE_EXPIRED = 1373, "the certificate has expired", "renew it", PASSES
    REMOTE_FILE_LIST_MISSING = (
        1374,
        "the test that opens remote inputs left no verdict",
        "read the test's output in the log; check the storage",
        PASSES,
    )
    LEASE_TIME = 1375, "the time for which the slot was lent ended", "nothing: the job is tried again", PASSES
    LOG_CREATION_TIMEOUT = 1376, "making the log archive took too long", "check the node's disk", PASSES
    CVMFS_NOT_ALIVE = 1377, "CVMFS does not answer on the node", "run cvmfs_config probe on the node", PASSES
    SETUP_TIMED_OUT = (
        1378,
        "setting up the experiment's environment took too long",
        "check the software area on the node",
        PASSES,
    )
    PREEMPTION = 1379, "the batch system took the slot back", "nothing: the job is tried again", PASSES
    ARC_PROXY = 1380, "arcproxy failed", "read its words in the pilot log; check the proxy", PASSES
    ARC_PROXY_LIBRARY = 1381, "a library for arcproxy is missing", "install the ARC client on the node", PASSES
    PROXY_TOO_SHORT = 1382, "the proxy does not live long enough", "renew it", PASSES
    STAGE_OUT_AUTHENTICATION = (
        1383,
        "the storage refused the identity for writing",
        "renew proxy or token; check the rights",
        PASSES,
    )
    QUEUE_WITHOUT_CONTAINERS = 1384, "the queue is not set up for containers", "set container_type of the queue"
    NO_JOBS = 1385, "the server had no job for this queue", "nothing to do", PASSES
    QUEUE_NOT_ONLINE = 1386, "the queue is not online", "set its status in the admin", PASSES
    # Our own.
    BAD_CONFIGURATION = (
        1900,
        "a configuration file, an option or an environment variable says something that cannot be meant",
        "correct the setting that the message names",
    )
    BAD_JOB_DEFINITION = 1901, "the job's definition is incomplete or wrong", "correct the field that the message names"
    PLUGIN_FAILED = (
        1902,
        "a plugin raised an error in one of its hooks",
        "report it to the plugin's author with the pilot log",
        PASSES,
    )
    SERVER_REFUSED = 1903, "the server refused what the pilot said", "read the server's words in the pilot log"
    BAD_ANSWER = 1904, "the server's answer cannot be read", "check that the address is that of such a server", PASSES
    IDENTITY_REFUSED = 1905, "the server refused the pilot's identity", "renew the token or the proxy", PASSES
    PILOT_LOST = (
        1906,
        "the pilot died while it had the job",
        "nothing: the next pilot on the disk or the watchdog puts it right",
        PASSES,
    )
    DEADLINE_PASSED = 1907, "a part of the pilot did not answer in time", "report it with the pilot log", PASSES
    ORDERED_STOP = 1908, "the pilot was told to stop while the job ran", "nothing: the job is tried again", PASSES
    LEASE_LOST = 1909, "the server has given the job to somebody else", "nothing to do"
    PAYLOAD_SIGNALLED = 1910, "the payload was ended by a signal", "look for memory or batch limits on the node", PASSES
    KEEPER_LOST = 1911, "the process that keeps the payload died", "look for memory limits on the node", PASSES
    COPY_CANCELLED = 1912, "a copy was given up because its job was ended", "nothing to do", PASSES
    STORAGE_PERMISSION = 1913, "the storage did not permit the transfer", "check the rights on the storage path"
    BAD_BUNDLE = 1914, "the pilot bundle is not the one that was promised", "fetch it again; check its SHA-256", PASSES
    INPUT_SIZE_MISMATCH = (
        1915,
        "an input arrived with another size than the one registered",
        "check the replica and the catalogue",
        PASSES,
    )
    OUTPUT_SIZE_MISMATCH = (
        1916,
        "the stored output has another size than the one written",
        "store it again; check the storage",
        PASSES,
    )
    JOURNAL_UNUSABLE = (
        1917,
        "the journal on the node's disk cannot be read or written",
        "check the work directory's disk",
        PASSES,
    )
    PAYLOAD_UNSIGNED = (
        1918,
        "only signed jobs may be run here, and this one is not signed",
        "have the server sign jobs (COMPASS_SERVER_SIGNING_KEY), or lower verify.signatures",
    )
    PAYLOAD_ALTERED = (
        1919,
        "the job is not what its signature says",
        "find out who changed the job on the server, or whose key it was signed with; submit it anew",
    )
    SIGNATURE_UNVERIFIABLE = (
        1920,
        "nobody on the node can tell whether the job's signature is good",
        "install the server's public key (verify.keys), and cryptography or OpenSSL 3",
        PASSES,
    )
    NODE_TOO_SMALL = (
        1921,
        "the node has less memory or fewer cores than the job asks for",
        "correct the queue's limits, or the batch slot's",
        PASSES,
    )
    NO_USER_NAMESPACES = (
        1922,
        "the node gives no user namespaces, which a container needs",
        "permit them on the node (user.max_user_namespaces), or install the runtime with setuid",
        PASSES,
    )
    CPU_TIME_EXCEEDED = (
        1923,
        "the payload used more processor time than it may",
        "raise the job's maxCpuCount, or look for a loop",
    )
    TOO_MANY_PROCESSES = 1924, "the payload had more processes than it may", "look for what it starts and does not end"
    ALLOCATION_REJECTED = (
        1925,
        "the batch system did not take the allocation",
        "read its words in the message; check project, queue and limits (hpc, params.hpc of the queue)",
        PASSES,
    )
    ALLOCATION_HELD = (
        1926,
        "the allocation was held in the batch system for too long",
        "ask the batch system why (its words are in the message), and release it or correct the order",
        PASSES,
    )
    ALLOCATION_RESCHEDULED = (
        1927,
        "the batch system stopped the allocation and wanted to start it anew",
        "nothing: the job is tried again",
        PASSES,
    )
    ALLOCATION_TIMED_OUT = (
        1928,
        "the wall time of the allocation was over before the payload had ended",
        "raise hpc.wall_time, or give shorter jobs",
        PASSES,
    )
    ALLOCATION_LOST = (
        1929,
        "the allocation was ended from outside: a node failed, or somebody cancelled it",
        "nothing: the job is tried again",
        PASSES,
    )
    RANK_LOST = (
        1930,
        "the allocation ended, and the job's rank has reported nothing",
        "read the launcher's output in the pilot log; look for memory limits on the node",
        PASSES,
    )
    RANKS_MISMATCH = (
        1931,
        "the launcher started another number of ranks than there are payloads",
        "check hpc.launcher, its options and what the site's launcher adds",
    )
    CONTAINER_NOT_PERMITTED = (
        1932,
        "the job asks for a container that this site does not let jobs have",
        "correct execArgs of its containerOptions, or let jobs have it (container.job_options, container.job_binds)",
        PASSES,
    )


def words_of(number: int) -> str:
    """Say what a reported number means; one that nobody gave out is named as such."""
    try:
        return ErrorCode(number).words
    except ValueError:
        return f"unknown error code {number}"
