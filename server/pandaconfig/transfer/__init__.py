"""Rows of the tables in and out: CSV, JSON, and what CRIC tells of queues and storages."""
