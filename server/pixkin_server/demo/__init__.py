"""`pixkin demo`: pictures whose right answers are known, a collection, a server, a search."""
