"""Finds a stream at the gateway that began it, by the tag in the stream's id; replies to other gateways.

One request to one subject: no lookup at all gateways, and a lost gateway is known at once, as the broker replies that
the subject has no subscriber.
"""

import asyncio

from penstock_broker.connection import Connection
from penstock_contract import codec, subjects
from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.stream.descriptor import FindStream, FoundStream
from penstock_gateway.resume.stream_table import StreamTable
from penstock_gateway.streaming.control_messages import ControlMessages

STOPPED = ErrorDetail("stopped", "the stream was stopped")
TAG: int = 8
"""Letters of the gateway's tag in an id, after `req_`."""
FIND_S = 1.0
STOPPED_S = 1.0
"""A stopped stream ends here, if its worker has not ended it: core NATS may have lost the message."""


def tag_of(id_: str) -> str:
    """The tag of the gateway that made the id, which has the form of `STREAM_ID`."""
    return id_.removeprefix("req_")[:TAG]


def not_found(id_: str) -> PenstockError:
    return PenstockError("stream_not_found", f"no stream {id_}: it is unknown, not this key's, or not kept any more")


class StreamFinder:
    def __init__(self, connection: Connection, table: StreamTable, control: ControlMessages, *, tag: str) -> None:
        self._connection = connection
        self._table = table
        self._control = control
        self._tag = tag
        connection.serve(subjects.find_stream(tag), self._reply)

    async def find(self, wanted: FindStream) -> FoundStream | None:
        """The tenant's stream at the gateway that began it; None if that gateway does not reply.

        Raises `broker_unavailable` if the broker does not.
        """
        tag = tag_of(wanted.id)
        if tag == self._tag:
            return self.find_here(wanted)
        reply = await self._connection.request_one(subjects.find_stream(tag), codec.encode(wanted), timeout_s=FIND_S)
        return None if reply is None else codec.decode_found_stream(reply)

    def find_here(self, wanted: FindStream) -> FoundStream:
        """The tenant's stream in this gateway."""
        found = self._table.find(wanted, asyncio.get_running_loop().time())
        if found.descriptor is not None and wanted.stop:
            self._stop(wanted.id)
        return found

    def _stop(self, id_: str) -> None:
        """End an open stream, and remove it from the table."""
        stream = self._table.stream(id_)
        self._table.delete(id_)
        if stream is None:
            return
        if stream.serving.worker is None:
            stream.fail(STOPPED)
            return
        # The worker ends it for all gateways after the same event: every reader gets the same bytes.
        self._control.stop_stream(stream, STOPPED)
        asyncio.get_running_loop().call_later(STOPPED_S, stream.fail, STOPPED)

    def _reply(self, data: bytes) -> bytes:
        wanted = codec.decode_find_stream(data)
        found = self.find_here(wanted)
        stream = self._table.stream(wanted.id) if found.descriptor is not None else None
        if stream is not None and stream.readers is not None:
            stream.readers.read_elsewhere(asyncio.get_running_loop().time())
        return codec.encode(found)
