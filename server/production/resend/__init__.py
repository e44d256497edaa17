"""What has been made, or has failed, is made again: what that means is shown first, written down, and can be undone."""
