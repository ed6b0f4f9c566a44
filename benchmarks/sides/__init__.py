"""What is compared: one module a benchmark and side, each run in a process of its own."""
