"""The steps of the data service. Each is one idempotent function and one periodic service."""
