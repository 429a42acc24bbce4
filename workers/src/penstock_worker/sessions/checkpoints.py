"""Writes checkpoints of the open requests' usage, for the case that a worker and its gateway crash together."""

import asyncio

from penstock_broker.stores.usage import UsageWriter
from penstock_contract.usage.record import Checkpoint
from penstock_worker.sessions.registry import SessionRegistry

CHECKPOINT_S = 0.03
"""A token or two of a fast model: the loss if a request's worker and gateway crash together."""
REQUESTS_PER_S = 1_000
"""Upper bound of requests in checkpoints: one costs 5 µs and more, and a worker with many open ones is busy."""


def between_checkpoints_s(open_: int) -> float:
    """Interval of checkpoints; longer with more than 30 open requests, as each costs the same."""
    return max(CHECKPOINT_S, open_ / REQUESTS_PER_S)


async def write_checkpoints(worker: str, route: tuple[str, str], sessions: SessionRegistry, usage: UsageWriter) -> None:
    """Run until cancelled. No message is published while no request was sent to a provider.

    An idle worker has no timer here, which would wake it 33 times a second.
    """
    while True:
        await sessions.wait_for_any()
        await asyncio.sleep(between_checkpoints_s(len(sessions)))
        requests = [one for session in sessions if (one := session.usage.checkpoint()) is not None]
        if requests:
            await usage.checkpoint(*route, Checkpoint(worker, requests))
