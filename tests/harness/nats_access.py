"""The permissions that a broker grants, tested on the broker, and those that it must refuse to each role.

async with logged_in(url, credentials, subjects.GATEWAY_INBOX) as user:
    assert await user.publishes("penstock.requests.team.chat.t")
    assert await user.granted(refusals_of_gateway("team", "chat")) == []
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable
from typing import NamedTuple

import nats.errors
from nats.aio.client import Client

from penstock_broker.permissions import FIXED_STREAMS
from penstock_contract import subjects

KEYS = subjects.bucket_stream(subjects.KEYS_BUCKET)


class Refusals(NamedTuple):
    """Subjects that may not be published to, and that may not be listened to."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def refusals_of_worker(namespace: str, own: str, other: str) -> Refusals:
    """`own` is its route, `other` another one of the same namespace."""
    queue, foreign = subjects.queue(namespace, own), subjects.queue(namespace, other)
    return Refusals(
        publish=(
            f"$JS.API.CONSUMER.MSG.NEXT.{foreign}.{subjects.CONSUMER}",
            f"$JS.ACK.{foreign}.{subjects.CONSUMER}.1.1.1.1.1",
            *(f"$JS.API.CONSUMER.CREATE.{stream}" for stream in (foreign, queue, KEYS, subjects.USAGE)),
            *(f"$JS.API.STREAM.MSG.GET.{stream}" for stream in (foreign, queue, KEYS, subjects.USAGE)),
            f"$JS.API.DIRECT.GET.{subjects.USAGE}.penstock.usage.a.b.c.d",
            subjects.reply("gw-1", namespace, other),
            subjects.worker_heartbeat(namespace, other, "w"),
            subjects.usage(namespace, other, "gw-1", "r"),
            subjects.checkpoint(namespace, other, "w"),
            subjects.control(namespace, other, "w"),
            subjects.control_all(namespace, own),
            subjects.request(namespace, own, "t"),
            f"$KV.{subjects.KEYS_BUCKET}.a.b",
            f"$KV.{subjects.LIMITS_BUCKET}.key.a",
            f"$KV.{subjects.CATALOGUE_BUCKET}.{namespace}.{own}",
            "$JS.API.STREAM.NAMES",
            "$JS.API.STREAM.LIST",
            f"$JS.API.CONSUMER.NAMES.{subjects.bucket_stream(subjects.CATALOGUE_BUCKET)}",
            *_no_streams("CREATE", "UPDATE", "DELETE", "PURGE"),
        ),
        subscribe=(
            ">",
            subjects.ALL_REQUESTS,
            subjects.ALL_REPLIES,
            subjects.ALL_USAGE,
            subjects.ALL_WORKER_HEARTBEATS,
            subjects.ALL_CONTROLS,
            subjects.control(namespace, other, "w"),
            subjects.bucket_entries(subjects.KEYS_BUCKET),
            f"{subjects.worker_inbox(namespace, other)}.>",
            f"{subjects.GATEWAY_INBOX}.>",
            f"{subjects.OPERATOR_INBOX}.>",
            "_INBOX.>",
            "$SYS.>",
        ),
    )


def refusals_of_gateway(namespace: str, route: str) -> Refusals:
    return Refusals(
        publish=(
            *_no_streams("CREATE", "UPDATE", "DELETE", "MSG.DELETE"),
            # It deletes what is kept of a stopped stream.
            *(subject for subject in _no_streams("PURGE") if not subject.endswith(f".{subjects.STREAMS}")),
            f"$JS.API.STREAM.DELETE.{subjects.queue(namespace, route)}",
            f"$JS.API.CONSUMER.MSG.NEXT.{subjects.queue(namespace, route)}.{subjects.CONSUMER}",
            f"$JS.API.CONSUMER.CREATE.{subjects.queue(namespace, route)}",
            f"$KV.{subjects.CATALOGUE_BUCKET}.{namespace}.{route}",
            subjects.reply("gw-1", namespace, route),
        ),
        subscribe=(">", subjects.ALL_REQUESTS, f"{subjects.OPERATOR_INBOX}.>", "_INBOX.>", "$SYS.>"),
    )


def refusals_of_operator(namespace: str, route: str) -> Refusals:
    return Refusals(
        publish=(
            *_no_streams("DELETE", "PURGE", "MSG.DELETE"),
            *(f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{subjects.CONSUMER}" for stream in FIXED_STREAMS),
            f"$JS.API.CONSUMER.CREATE.{KEYS}",
            f"$JS.API.STREAM.MSG.GET.{KEYS}",
            f"$KV.{subjects.KEYS_BUCKET}.a.b",
            f"$JS.API.CONSUMER.MSG.NEXT.{subjects.queue(namespace, route)}.{subjects.CONSUMER}",
            subjects.request(namespace, route, "t"),
        ),
        subscribe=(">", subjects.ALL_REQUESTS, subjects.ALL_REPLIES, subjects.ALL_USAGE, f"{subjects.GATEWAY_INBOX}.>"),
    )


def _no_streams(*verbs: str) -> tuple[str, ...]:
    return tuple(f"$JS.API.STREAM.{verb}.{stream}" for verb in verbs for stream in FIXED_STREAMS)


class User:
    """An authenticated client; `complaints` are the broker's errors."""

    def __init__(self, client: Client, complaints: list[str]) -> None:
        self.client, self.complaints = client, complaints

    async def publishes(self, subject: str, data: bytes = b"{}", reply: str = "") -> bool:
        return await self._without_complaint(self.client.publish(subject, data, reply=reply))

    async def receives(self, subject: str) -> bool:
        return await self._without_complaint(self.client.subscribe(subject))

    async def granted(self, refusals: Refusals) -> list[str]:
        """Of what must be refused, what was not."""
        published = [subject for subject in refusals.publish if await self.publishes(subject)]
        return published + [subject for subject in refusals.subscribe if await self.receives(subject)]

    async def _without_complaint(self, act: Awaitable[object]) -> bool:
        before = len(self.complaints)
        await act
        # A complaint comes before the answer to the second: nats-py writes the first PING ahead of what waits.
        await self.client.flush()
        await self.client.flush()
        return not any("permissions violation" in logged.lower() for logged in self.complaints[before:])


@contextlib.asynccontextmanager
async def logged_in(url: str, credentials: str, inbox: str) -> AsyncIterator[User]:
    """`credentials` is a path. Raises `nats.errors.Error` if it is not let in."""
    complaints: list[str] = []

    async def complain(error: Exception) -> None:
        complaints.append(str(error))

    client = Client()
    await client.connect(
        url, user_credentials=credentials, inbox_prefix=inbox, error_cb=complain, allow_reconnect=False
    )
    try:
        yield User(client, complaints)
    finally:
        await client.close()


async def lets_in(url: str, credentials: str | None) -> bool:
    client = Client()
    try:
        await client.connect(url, user_credentials=credentials, allow_reconnect=False, error_cb=_ignore)
    except nats.errors.Error as error:
        if "Authorization Violation" not in str(error):
            raise
        # nats-py leaves the connection of a failed attempt open.
        assert client._transport is not None
        client._transport.close()
        with contextlib.suppress(OSError):  # the broker was faster
            await client._transport.wait_closed()
        return False
    await client.close()
    return True


async def _ignore(_: Exception) -> None:
    pass
