"""The embedded store: a directory with one SQLite file per collection."""
