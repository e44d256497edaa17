"""Real-time logging: what a payload writes goes to a log service while the payload runs. Nothing here knows threads."""
