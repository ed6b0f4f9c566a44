"""Snapshots: a database file, while it is being written, becomes blocks and a manifest in a store."""
