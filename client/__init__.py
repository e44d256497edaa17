"""`compass`, the command that people use: it talks HTTP to a server, and can run a whole system on this machine."""
