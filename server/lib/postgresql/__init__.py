"""Django's PostgreSQL, but for one thing: a kept connection is looked at before it is used without asking anything."""
