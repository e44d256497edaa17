"""Settings of real-time logging."""

from __future__ import annotations

from pilot.settings.declaring import Section, key


class Realtime(Section):
    """Sending what payloads write to a log service, line by line, while they run."""

    use: bool = key(False, help="Do so for every job; otherwise as queue, job or plugin ask for it.")
    server: str = key("", help="The log service, as type;protocol://host:port or type:host:port.")
    name: str = key(
        "compass-pilot", help="What the lines are filed under: the log's name, Fluent's tag, syslog's program."
    )
    debug: bool = key(True, help="Do so also for jobs in debug mode, where a log service is named.")
    files: tuple[str, ...] = key(("payload.stdout",), help="Files in the job's directory whose lines are sent.")
    credentials_file: str = key(
        "", help="File (mode 0600) with a login and a password, a line each; for Google, an account's JSON key."
    )
    certificate: str = key("", help="File with a client certificate and its key (PEM) for the log service.")
    authorities: str = key("", help="File or folder of the authorities that its certificate is verified with.")
    wait: float = key(0.5, "s", low=0.05, high=60, help="Lines are gathered for so long before they are sent.")
    look: float = key(5.0, "s", low=0.5, help="Time between two looks at files that the kernel cannot watch.")
    timeout: float = key(5.0, "s", low=0.1, high=60, help="Longest wait for the log service.")
    pause_most: float = key(60.0, "s", low=1, help="Longest pause before a log service that failed is tried again.")
    at_end: float = key(5.0, "s", low=0, high=60, help="After a payload's end its last lines have so long to be sent.")
    behind: int = key(
        100 * 10**6, "bytes", low=100_000, help="A file that is further ahead of the log service loses its older lines."
    )
