"""``pilot check``: whether this node fits this queue, one line for each thing that was looked at."""
