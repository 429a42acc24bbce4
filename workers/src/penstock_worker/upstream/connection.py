"""The worker's hot path: an HTTP/1.1 connection that passes response bytes directly to a parser.

It replaces an HTTP client library, which costs an object, a task wake-up and a copy per token (measured: 20.6 against
38.0 CPU-µs per token with aiohttp, ADR 0003). Invariants:

- one call per connection at a time; a connection returns to the pool only after a whole response;
- a chunk with one piece of text, nearly every read, bypasses the HTTP parser: its state is the same before and after a
  whole chunk;
- exactly one of the listener's `on_end` and `on_failure` is called, and nothing after `abort`;
- redirects are not followed, compression is not requested, header and error bytes are bounded;
- nothing here waits for the listener: it must not block.

The meaning of the bytes is the parser's matter; the addresses are checked by the connector.
"""

import asyncio
from typing import Protocol, cast

import httptools

from penstock_contract.errors import PenstockError
from penstock_runtime.coalesced_writes import CoalescedWrites
from penstock_worker.awaited_sockets import NONE
from penstock_worker.providers.adapter import ResponseParser
from penstock_worker.providers.failure.provider_failure import failure, failure_of_status
from penstock_worker.providers.provider import CallListener, ConnectionStale

HEADER_BYTES_MAX = 64 * 1024
ERROR_BODY_BYTES_MAX = 64 * 1024
RESPONSE_END_S = 2.0


class ConnectionOwner(Protocol):
    """Keeps connections between calls, see `ConnectionPool`."""

    def release(self, connection: "UpstreamConnection") -> None:
        """Keep the connection for another call."""

    def remove(self, connection: "UpstreamConnection") -> None:
        """The connection was closed."""

    def close_idle(self) -> None:
        """Close the connections without a call: they are as old as one that the server has closed."""


class UpstreamConnection(asyncio.Protocol):
    """A connection to a provider, and the call that uses it at the moment."""

    def __init__(self, owner: ConnectionOwner) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._writes = CoalescedWrites(self._write_now)
        self._listener: CallListener | None = None
        self._body: ResponseParser | None = None
        self._http = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._header_bytes = self._head_bytes = 0
        self._head_read = False
        self._error_body: bytearray | None = None
        self._answered = self._reused = False
        self._chunk_ended = self._between_chunks = False
        self._progress = 0
        self._descriptor = NONE
        self.active_at = self.idle_since = 0.0

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    @property
    def descriptor(self) -> int:
        return self._descriptor

    def start(self, raw: bytes, parser: ResponseParser, listener: CallListener, *, reused: bool) -> None:
        self._reused = reused
        assert self._transport is not None
        self._listener, self._body = listener, parser
        self._http = httptools.HttpResponseParser(self)
        self._headers = {}
        self._header_bytes = self._head_bytes = 0
        self._head_read = False
        self._error_body = None
        self._answered = False
        self._chunk_ended = self._between_chunks = False
        self._progress = 0
        self.active_at = self._loop.time()
        self._writes.write(raw)

    def abort(self) -> None:
        self._listener = None
        self._writes.discard()
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _write_now(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        sock = transport.get_extra_info("socket")
        self._descriptor = NONE if sock is None else int(sock.fileno())

    def data_received(self, data: bytes) -> None:
        if self._listener is None:
            # Bytes without a request: the server is about to close the connection, or violates HTTP.
            self.abort()
            return
        if self._between_chunks and self._body is not None and (event := self._body.piece_of_chunk(data)) is not None:
            # The HTTP parser need not read a whole chunk: it is in the same state before and after it.
            self.active_at = self._loop.time()
            self._listener.on_events((event,))
            return
        self._answered = True
        self._chunk_ended = False
        if not self._head_read:
            # Counted here too: the parser calls `on_header` only at the end of a header.
            self._head_bytes += len(data)
        try:
            self._http.feed_data(data)
        except httptools.HttpParserError:
            self._fail(failure("provider_stream_broken", reason="http_malformed"))
        except httptools.HttpParserUpgrade:
            self._fail(failure("provider_unavailable", reason="http_upgrade"))
        if not self._head_read and self._head_bytes > HEADER_BYTES_MAX:
            self._fail(failure("provider_stream_broken", reason="headers_too_large"))
        # After the end of a chunk, a line end cannot belong to an unfinished chunk header.
        self._between_chunks = self._chunk_ended and self._error_body is None and data[-2:] == b"\r\n"

    def eof_received(self) -> None:
        # A body without a length or chunks ends with the connection (RFC 9112 §6.3): see `connection_lost`.
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.remove(self)
        if self._listener is None:
            return
        delimited = "content-length" in self._headers or "chunked" in self._headers.get("transfer-encoding", "")
        if exc is None and not delimited and self._http.get_status_code() >= 200:
            self.on_message_complete()
        elif self._answered:
            self._fail(failure("provider_stream_broken", reason="closed_early"))
        elif self._reused:
            # The idle ones are as old: the next try gets a new connection.
            self._owner.close_idle()
            self._fail(ConnectionStale())
        else:
            self._fail(failure("provider_unavailable", reason="closed_unanswered"))

    # httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > HEADER_BYTES_MAX:
            self._fail(failure("provider_stream_broken", reason="headers_too_large"))
            return
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self._http.get_status_code()
        if status < 200:
            # 103 and other interim responses (RFC 9110 §15.2): the final response follows.
            self._headers = {}
            return
        self._head_read = True
        if not 200 <= status < 300 or self._headers.get("content-encoding", "identity") != "identity":
            self._error_body = bytearray()

    def on_body(self, data: bytes) -> None:
        listener, parser = self._listener, self._body
        if listener is None or parser is None:
            return
        if self._error_body is not None:
            if len(self._error_body) < ERROR_BODY_BYTES_MAX:
                self._error_body += data
            return
        try:
            events = parser.feed(data)
        except PenstockError as error:
            self._fail(error, refused=_is_refusal(error))
            return
        # No progress: comments, pings, empty deltas and parts of an event. A provider that sends only these is idle.
        if events or parser.progress != self._progress:
            self.active_at, self._progress = self._loop.time(), parser.progress
        if events:
            listener.on_events(events)
            if parser.complete:
                # The answer is whole. A server that does not end the response soon loses the connection.
                self._loop.call_later(RESPONSE_END_S, self._close_if_open, parser)

    def on_chunk_header(self) -> None:
        self._chunk_ended = False

    def on_chunk_complete(self) -> None:
        self._chunk_ended = True

    def on_message_complete(self) -> None:
        self._chunk_ended = False
        status = self._http.get_status_code()
        if self._listener is None or status < 200:
            return
        if self._error_body is None:
            self._end()
        else:
            error = failure_of_status(status, self._headers, bytes(self._error_body))
            self._release()
            self._take_listener().on_failure(error, refused=not 200 <= status < 300)

    def _end(self) -> None:
        assert self._body is not None
        try:
            events = self._body.end()
        except PenstockError as error:
            self._fail(error, refused=_is_refusal(error))
            return
        self._release()
        listener = self._take_listener()
        if events:
            listener.on_events(events)
        listener.on_end()

    def _fail(self, error: PenstockError, *, refused: bool = False) -> None:
        if self._listener is None:
            return
        listener = self._take_listener()
        if self._transport is not None:
            self._transport.abort()
        listener.on_failure(error, refused=refused)

    def _close_if_open(self, body: ResponseParser) -> None:
        if self._body is body:
            self.abort()

    def _take_listener(self) -> CallListener:
        listener, self._listener, self._body = self._listener, None, None
        assert listener is not None
        return listener

    def _release(self) -> None:
        if self.usable and self._http.should_keep_alive():
            self.idle_since = self._loop.time()
            self._owner.release(self)
        else:
            self.close()


def _is_refusal(error: PenstockError) -> bool:
    """True if the parser raised it for an error object of the provider; False for an unreadable answer."""
    return error.code != "provider_stream_broken"
