"""How many jobs of each task are submitted now: facts, pure rules on them, and the record of what they decided."""
