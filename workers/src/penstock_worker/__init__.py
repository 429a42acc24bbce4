"""A worker of one route: pulls requests when it has a free slot, calls providers, publishes their frames.

It knows neither HTTP clients nor their dialects; it meets the gateway in `penstock_contract`.
"""

from importlib.metadata import version

VERSION = version("penstock-worker")
