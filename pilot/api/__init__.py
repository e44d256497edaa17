"""Public interfaces for other tools; semantic versioning."""
