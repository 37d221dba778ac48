"""Typed tables, repositories and the content-addressed blob store. The database is the truth."""
