"""The memory of a process: its limit, and the tuning of its garbage collector."""
