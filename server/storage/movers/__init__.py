"""Who copies from storage to storage: our own service for xroot, HTTP and folders, and FTS3."""
