"""The gateways that may have open usage rows, in NATS KV: another gateway closes the rows of one that is lost."""

import contextlib
import datetime as dt
from typing import cast

import msgspec
from nats.errors import Error
from nats.js.errors import APIError

from penstock_broker.connection import Connection
from penstock_broker.stores import kv_snapshot
from penstock_contract import codec, subjects
from penstock_contract.usage.record import GatewayPresence

READ_S = 5.0


class GatewayPresenceStore:
    """The gateways that may have open rows, in NATS KV."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def put(self, presence: GatewayPresence) -> bool:
        """Returns whether the broker has stored it."""
        try:
            bucket = await self._connection.client.jetstream().key_value(subjects.GATEWAYS_BUCKET)
            await bucket.put(presence.gateway, codec.encode_json(presence))
        except (Error, OSError):
            return False
        return True

    async def remove(self, gateway: str) -> None:
        with contextlib.suppress(Error, OSError):
            bucket = await self._connection.client.jetstream().key_value(subjects.GATEWAYS_BUCKET)
            await bucket.purge(gateway)

    async def all(self) -> dict[str, float]:
        """The gateways, and since when each may have open rows, in the broker's Unix time. Empty without the broker."""
        try:
            bucket = await self._connection.client.jetstream().key_value(subjects.GATEWAYS_BUCKET)
            entries = await kv_snapshot.read(bucket, READ_S)
        except (Error, APIError, OSError, TimeoutError):
            return {}
        found: dict[str, float] = {}
        for entry in entries:
            with contextlib.suppress(msgspec.DecodeError):
                presence = codec.decode_gateway_presence(entry.value or b"")
                # nats-py types it as a number; in what a watch gives it is a datetime (js/kv.py 2.16).
                written_at = cast("dt.datetime", entry.created)
                found[presence.gateway] = written_at.timestamp() - presence.open_s
        return found
