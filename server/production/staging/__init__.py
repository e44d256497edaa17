"""Raw files on their way from tape to disk: what is asked for, how far it is, when it is let go."""
