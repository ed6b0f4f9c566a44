"""Snapshots: a database file that is being written becomes blocks and a manifest in a store."""
