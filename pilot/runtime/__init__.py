"""Running things on the node: processes, work directories, limits."""
