"""What pilot, server and client agree on: states, codes, specs, names and messages. Standard library only."""
