"""Route files of `penstock dev`: reading, errors, and the plan of workers."""
