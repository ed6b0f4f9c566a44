"""The demonstration: a table, a central node, snapshots and two new nodes side by side."""
