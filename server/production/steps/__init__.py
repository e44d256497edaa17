"""The steps of a production. Each is one idempotent function and one periodic service."""
