"""What Rucio has registered, asked in a process apart: its clients read their configuration once."""

from __future__ import annotations


def look(scope, name):
    from rucio.client import Client

    known = Client().get_metadata(scope, name)
    return {key: known[key] for key in ("bytes", "adler32", "guid")}


def content(scope, name):
    from rucio.client import Client

    return sorted(each["name"] for each in Client().list_content(scope, name))


def rules(scope, name):
    from rucio.client import Client

    return [[rule["rse_expression"], rule["state"]] for rule in Client().list_did_rules(scope, name)]
