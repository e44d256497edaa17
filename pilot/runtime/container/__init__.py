"""Containers around payloads: which one a job gets, how it is started, and why it was not."""
