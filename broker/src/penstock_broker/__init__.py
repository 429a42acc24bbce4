"""NATS behind four nouns: a connection, a route's queue, the catalogue, and what the control plane sets up.

The only package that imports `nats`. It knows subjects and bytes, not what the bytes mean.
"""
