"""Everything that writes credentials and secrets, one module for each concern."""
