"""Restore: from the object store to a verified local file, and the decision that comes before it."""
