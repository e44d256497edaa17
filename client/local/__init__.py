"""A whole system on this machine: server, services and pilots, started, watched and stopped."""
