"""Restore: from the object store to a verified local file, after a decision."""
