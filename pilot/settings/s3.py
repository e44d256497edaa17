"""Settings of the copy tool ``s3``: object storages."""

from __future__ import annotations

from pilot.settings.declaring import MIB, Section, choice, key


class S3(Section):
    """Object storages that speak S3."""

    endpoint: str = key("", help="Where buckets are whose URLs name no host: https://HOST:PORT; Amazon's if left out.")
    region: str = key("us-east-1", help="The region that requests are signed for.")
    credentials_file: str = key(
        "",
        help="An INI file of keys as AWS has it (aws_access_key_id, aws_secret_access_key, aws_session_token), sections"
        " named after a host:port or a bucket, or [default]. Others may not read it.",
    )
    secure: bool = key(True, help="Hosts that URLs name are spoken to by https.")
    verify: bool = key(True, help="Hosts have to prove who they are by a certificate.")
    authorities: str = key("", help="A file of the authorities (PEM) that sign hosts' certificates.")
    addressing: str = choice(
        "auto", "path", "virtual", help="Whether a bucket stands in the path or in the host's name."
    )
    part: int = key(
        16 * MIB, "bytes", low=5 * MIB, high=5120 * MIB, help="Larger files are stored in parts of this size."
    )
    streams: int = key(4, "connections", low=1, high=64, help="Parts of one file that are on their way at a time.")
    python: str = key("", help="The interpreter that has boto3; the pilot's own if left out.")
