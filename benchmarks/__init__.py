"""Side by side with a naive way and a competent simple one: `python -m benchmarks.NAME`.

A module here is a command. `kit` runs and reports, `workload` makes the data, `sides` holds what is
compared. What the figures say and do not say: docs/benchmarks.md.
"""
