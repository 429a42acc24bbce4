"""`penstock dev`: all processes on one machine, the same code and the same ModelRoute files as in the cluster.

It is the laptop's control plane and the parent of real processes; it carries no request itself.
"""
