"""For our one language."""
