"""Settings and failures of the autoscaler tests."""

from penstock_broker.queue_state import QueueUnavailable

QUICK = {"stableWindowSeconds": 10, "panicWindowSeconds": 2, "scaleToZeroAfterSeconds": 10, "maxReplicas": 20}


def away() -> QueueUnavailable:
    return QueueUnavailable("BrokerUnavailable", "the message broker is away")
