"""A connection's timers in virtual time, and bytes after an answer."""

import asyncio

import pytest
from unit.support.http_responses import CHUNKED, END, chunk, connected, sized
from unit.support.upstream import LOOPBACK, RecordingListener, TextParser, no_tls
from unit.support.virtual_time import virtual_time

from penstock_worker.providers.openai.parser import ChatParser
from penstock_worker.upstream.connection import RESPONSE_END_S
from penstock_worker.upstream.pool import ConnectionPool


@virtual_time
async def test_connection_is_closed_if_a_complete_answer_does_not_end() -> None:
    pool = ConnectionPool("http://llama", no_tls, LOOPBACK)
    exchange, wire = connected(pool)
    exchange.start(b"", TextParser(last=b"[DONE]"), RecordingListener(), reused=False)
    exchange.data_received(CHUNKED + chunk(b"hello") + chunk(b"[DONE]"))

    await asyncio.sleep(RESPONSE_END_S - 0.01)
    assert not wire.closed
    await asyncio.sleep(0.02)
    assert wire.closed


@virtual_time
async def test_connection_is_kept_if_a_complete_answer_ends_in_time() -> None:
    pool = ConnectionPool("http://llama", no_tls, LOOPBACK)
    exchange, wire = connected(pool)
    exchange.start(b"", TextParser(last=b"[DONE]"), RecordingListener(), reused=False)
    exchange.data_received(CHUNKED + chunk(b"[DONE]"))
    await asyncio.sleep(RESPONSE_END_S - 0.01)
    exchange.data_received(END)
    await asyncio.sleep(RESPONSE_END_S)

    assert not wire.closed


@virtual_time
async def test_connection_timer_of_one_answer_does_not_close_the_next() -> None:
    pool = ConnectionPool("http://llama", no_tls, LOOPBACK)
    exchange, wire = connected(pool)
    exchange.start(b"", TextParser(last=b"[DONE]"), RecordingListener(), reused=False)
    exchange.data_received(CHUNKED + chunk(b"[DONE]") + END)
    await asyncio.sleep(RESPONSE_END_S - 0.01)
    again, reused = await pool.acquire(1)
    assert (again, reused) == (exchange, True)
    again.start(b"", TextParser(last=b"[DONE]"), RecordingListener(), reused=True)
    again.data_received(CHUNKED + chunk(b"hello"))
    await asyncio.sleep(1)

    assert not wire.closed


@virtual_time
async def test_connection_is_active_with_each_part_of_the_answer() -> None:
    # Chaos fault 8: comments and single bytes prevented the idle timeout of a provider.
    exchange, _ = connected(ConnectionPool("http://llama", no_tls, LOOPBACK))
    exchange.start(b"", ChatParser(), RecordingListener(), reused=False)
    began = exchange.active_at
    exchange.data_received(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    text = b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n'
    finish = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
    role = b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'
    active: list[float] = []
    for data in (b": ping\n\n", role, text, b": ping\n\n", b"data: {", b'"a":1}\n\n', finish):
        await asyncio.sleep(3)
        exchange.data_received(b"%x\r\n%b\r\n" % (len(data), data))
        active.append(exchange.active_at - began)

    assert active == pytest.approx([0, 0, 9, 9, 9, 9, 21])


@virtual_time
async def test_connection_discards_bytes_after_the_answer() -> None:
    exchange, _ = connected(ConnectionPool("http://llama", no_tls, LOOPBACK))
    listener = RecordingListener()
    exchange.start(b"", TextParser(), listener, reused=False)

    exchange.data_received(sized(b"hello") + sized(b"again"))

    assert listener.words == ["hello"]
