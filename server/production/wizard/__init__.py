"""The form for a new task: its fields by type, what they choose from, and checks while it is filled in."""
