"""Types and constants shared by gateway, workers, operator, `penstock dev` and client.

The package performs no I/O on the network, and imports no deployable and no client library.
"""
