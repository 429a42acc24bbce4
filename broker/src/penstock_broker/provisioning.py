"""Streams and buckets that hold so many bytes and no more: made, or bounded where they are.

JetStream sets a bound's bytes aside and refuses what it has no room for; then it gets as much as there is. What is
there already is never made smaller than what it holds: to throw something away is for a person.
"""

from collections.abc import Awaitable, Callable, Iterator

import structlog
from nats.js import JetStreamContext
from nats.js.api import KeyValueConfig, StreamConfig, StreamInfo
from nats.js.errors import APIError, NotFoundError

from penstock_broker.errors import broker_unavailable

BYTES_MIN = 1024 * 1024
"""Less is of no use to anybody."""
ERRS_NO_ROOM = frozenset({10002, 10005, 10023, 10028, 10047})
"""JetStream's `err_code`s for a bound that the account, the cluster or the server has no room for."""

log = structlog.get_logger("penstock.broker")


async def ensure_stream(jetstream: JetStreamContext, wanted: StreamConfig) -> None:
    """Raises `broker_unavailable` where there is no room at all; `wanted` has `max_bytes`."""

    async def make(size: int) -> None:
        await jetstream.add_stream(wanted, max_bytes=size)

    await _provide(jetstream, str(wanted.name), wanted.max_bytes or -1, wanted.max_age or 0.0, make)


async def ensure_bucket(jetstream: JetStreamContext, wanted: KeyValueConfig) -> None:
    """The same for a bucket."""

    async def make(size: int) -> None:
        await jetstream.create_key_value(wanted, max_bytes=size)

    await _provide(jetstream, f"KV_{wanted.bucket}", wanted.max_bytes or -1, wanted.ttl or 0.0, make)


async def create_missing_bucket(jetstream: JetStreamContext, wanted: KeyValueConfig) -> None:
    """The same where it is missing; one that is there keeps its bound."""

    async def make(size: int) -> None:
        await jetstream.create_key_value(wanted, max_bytes=size)

    name = f"KV_{wanted.bucket}"
    try:
        await jetstream.stream_info(name)
    except NotFoundError:
        await _make(name, wanted.max_bytes or -1, make)


async def _provide(
    jetstream: JetStreamContext, name: str, max_bytes: int, max_age: float, make: Callable[[int], Awaitable[None]]
) -> None:
    try:
        info = await jetstream.stream_info(name)
    except NotFoundError:
        await _make(name, max_bytes, make)
    else:
        await _bound(jetstream, info, max_bytes, max_age)


async def _make(name: str, max_bytes: int, make: Callable[[int], Awaitable[None]]) -> None:
    if not await _as_large_as_fits(name, max_bytes, min(max_bytes, BYTES_MIN), make):
        raise broker_unavailable(f"the message broker has no room for the stream {name}") from None


async def _bound(jetstream: JetStreamContext, info: StreamInfo, max_bytes: int, max_age: float) -> None:
    """Nothing else about it is ours to change: who runs the broker may have moved or compressed it."""
    stored, held = info.config, info.state.bytes
    wanted = max(max_bytes, held)
    if (stored.max_bytes, stored.max_age) == (wanted, max_age):
        return
    if wanted > max_bytes:
        log.warning("broker.bound_not_lowered", stream=stored.name, bytes=held, bytes_max=max_bytes)

    async def change(size: int) -> None:
        await jetstream.update_stream(stored, max_bytes=size, max_age=max_age)

    if not await _as_large_as_fits(str(stored.name), wanted, max(held, BYTES_MIN), change):
        log.error("broker.stream_not_bounded", stream=stored.name, bytes=held, bytes_max=max_bytes)


async def _as_large_as_fits(name: str, wanted: int, least: int, attempt: Callable[[int], Awaitable[None]]) -> bool:
    """Whether there was room for `least`: a smaller store is better than a service that does not begin."""
    for size in _halves(wanted, least):
        try:
            await attempt(size)
        except APIError as error:
            if error.err_code not in ERRS_NO_ROOM:
                raise
        else:
            if size < wanted:
                log.error("broker.stream_smaller_than_wanted", stream=name, bytes_max=size, wanted=wanted)
            return True
    return False


def _halves(first: int, last: int) -> Iterator[int]:
    size = first
    while size >= last:
        yield size
        size //= 2
