"""What the pilot knows of the node and its storages."""
