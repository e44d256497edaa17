"""The experiments: generic holds every default, an experiment holds what differs."""
