"""A tape robot behind a real XRootD server, for tests and demonstrations: drives, mounts, pins, failures; no tape."""
