"""``python -m server.manage`` is ``compass-server``."""

from server.manage import main

main()
