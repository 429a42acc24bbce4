"""A worker of one route: pulls a request per free slot, calls providers, publishes frames.

It depends on no HTTP client and no client dialect; it shares `penstock_contract` with the gateway.
"""

from importlib.metadata import version

VERSION = version("penstock-worker")
