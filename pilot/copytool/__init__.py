"""Moving files: one module per program, and the engine that chooses, verifies and names the failures."""
