"""The sizes of a stream's messages, read without their content: for a bound in bytes on some of its subjects."""

import contextlib
from collections.abc import Sequence
from typing import Final

from nats.errors import Error
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.api import AckPolicy, ConsumerConfig

from penstock_broker import jetstream
from penstock_broker.connection import Connection
from penstock_broker.errors import NO_ANSWER, translated

READ_S: Final = 5.0
READ_BATCH: Final = 256
"""A batch is handled in one piece: larger ones would delay the other work of the event loop."""

Sizes = list[tuple[int, int]]
"""Sequence in the stream and bytes of each message, oldest first."""


async def stored_sizes(connection: Connection, stream: str, filters: Sequence[str], *, messages_min: int) -> Sizes:
    """The messages of these subjects; none if there are fewer than `messages_min`. Raises `broker_unavailable`."""
    with translated(NO_ANSWER):
        return await _read(connection, stream, filters, messages_min)


def first_within(sizes: Sizes, bytes_max: int) -> int | None:
    """The oldest message that stays if the newest ones may have `bytes_max`; None if all stay."""
    total = 0
    stays = sizes[-1][0] + 1 if sizes else 0
    for sequence, size in reversed(sizes):
        total += size
        if total > bytes_max:
            return stays
        stays = sequence
    return None


async def _read(connection: Connection, stream: str, filters: Sequence[str], messages_min: int) -> Sizes:
    context = jetstream.context(connection)
    config = ConsumerConfig(
        filter_subjects=list(filters),
        ack_policy=AckPolicy.NONE,
        headers_only=True,
        inactive_threshold=READ_S * 6,
        mem_storage=True,
        num_replicas=1,
    )
    info = await context.add_consumer(stream, config)
    left = info.num_pending or 0
    found: Sizes = []
    try:
        if left < messages_min:
            return found
        subscription = await context.pull_subscribe_bind(consumer=info.name, stream=stream)
        try:
            # Exactly what is there is requested: nats-py's fetch waits for what is not.
            while left > 0:
                messages = await subscription.fetch(min(left, READ_BATCH), timeout=READ_S)
                found += [
                    (one.metadata.sequence.stream, int((one.headers or {}).get("Nats-Msg-Size", 0))) for one in messages
                ]
                left = min(left - len(messages), messages[-1].metadata.num_pending)
        finally:
            with contextlib.suppress(Error, NatsTimeoutError):
                await subscription.unsubscribe()
    finally:
        with contextlib.suppress(Error, NatsTimeoutError):
            await context.delete_consumer(stream, info.name)
    return found
