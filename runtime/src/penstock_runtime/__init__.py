"""What every process of Penstock needs to run: settings, clock, telemetry, probes, liveness of peers.

It imports neither NATS nor a deployable.
"""
