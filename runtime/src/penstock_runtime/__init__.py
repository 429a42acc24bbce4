"""Parts that every process of Penstock has: settings, clock, telemetry, probes, liveness of peers.

It imports neither NATS nor a deployable.
"""
