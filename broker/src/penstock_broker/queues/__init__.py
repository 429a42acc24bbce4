"""Queues of routes as the control plane creates them, each with its share of the bytes of NATS."""
