"""The COMPASS production system: from a task to merged and cross-checked files."""
