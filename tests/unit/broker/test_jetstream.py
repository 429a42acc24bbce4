"""Decoding of JetStream's API responses, and the requests that need no broker to fail."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_broker import jetstream
from penstock_broker.connection import Connection, Reply
from penstock_broker.jetstream import JetStreamRefusal, PublishAck, StoredMessage
from penstock_contract.errors import PenstockError


class Broker:
    """A connection that gives one reply to every request."""

    def __init__(self, data: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self._reply = Reply(data, headers or {})
        self.requests: list[tuple[str, bytes, dict[str, str] | None]] = []

    async def request(
        self, subject: str, data: bytes, *, timeout_s: float, headers: dict[str, str] | None = None
    ) -> Reply:
        del timeout_s
        self.requests.append((subject, data, headers))
        return self._reply


def replying(data: bytes = b"", headers: dict[str, str] | None = None) -> Any:
    return Broker(data, headers)


def refusal(err_code: int) -> bytes:
    return msgspec.json.encode({"error": {"code": 400, "err_code": err_code, "description": "no"}})


def test_jetstream_decodes_an_ack() -> None:
    ack = jetstream.decode(b'{"stream":"S","seq":7,"domain":"ignored"}', PublishAck)
    assert ack == PublishAck(stream="S", seq=7)


def test_jetstream_raises_the_error_of_a_response() -> None:
    with pytest.raises(JetStreamRefusal) as raised:
        jetstream.decode(refusal(10077), PublishAck)
    assert (raised.value.err_code, raised.value.description) == (10077, "no")


@given(st.binary(max_size=64).filter(lambda data: not data.strip().startswith(b"{")))
def test_jetstream_reports_an_unreadable_response_as_broker_unavailable(data: bytes) -> None:
    with pytest.raises(PenstockError) as raised:
        jetstream.decode(data, PublishAck)
    assert raised.value.code == "broker_unavailable"


async def test_jetstream_compare_and_set_returns_the_new_sequence() -> None:
    broker = replying(b'{"stream":"S","seq":8}')
    assert await jetstream.compare_and_set(broker, "a.b", b"x", 7) == 8
    assert broker.requests == [("a.b", b"x", {"Nats-Expected-Last-Subject-Sequence": "7"})]


async def test_jetstream_compare_and_set_returns_none_after_a_conflict() -> None:
    assert await jetstream.compare_and_set(replying(refusal(10071)), "a.b", b"x", 7) is None


async def test_jetstream_compare_and_set_raises_any_other_refusal_as_broker_unavailable() -> None:
    with pytest.raises(PenstockError) as raised:
        await jetstream.compare_and_set(replying(refusal(10077)), "a.b", b"x", 7)
    assert (raised.value.code, raised.value.detail.retry_after_s) == ("broker_unavailable", 1)
    assert "10077" in raised.value.detail.message


async def test_jetstream_newest_reads_a_stored_message() -> None:
    broker = replying(b"x", {"Nats-Sequence": "12"})
    assert await jetstream.newest(broker, "S", "a.b", timeout_s=1) == StoredMessage(b"x", 12)
    assert broker.requests == [("$JS.API.DIRECT.GET.S.a.b", b"", None)]


async def test_jetstream_newest_returns_none_for_a_subject_without_messages() -> None:
    assert await jetstream.newest(replying(b"", {"Status": "404"}), "S", "a.b", timeout_s=1) is None


async def test_jetstream_newest_raises_any_other_status_as_broker_unavailable() -> None:
    with pytest.raises(PenstockError) as raised:
        await jetstream.newest(replying(b"", {"Status": "408"}), "S", "a.b", timeout_s=1)
    assert raised.value.code == "broker_unavailable"


CALLS: dict[str, Callable[[Connection], Awaitable[object]]] = {
    "api": lambda connection: jetstream.api(connection, "INFO", b"", jetstream.Answer),
    "newest": lambda connection: jetstream.newest(connection, "S", "a.b", timeout_s=1),
    "compare_and_set": lambda connection: jetstream.compare_and_set(connection, "a.b", b"x", 0),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_jetstream_raises_broker_unavailable_without_a_connection(
    call: Callable[[Connection], Awaitable[object]],
) -> None:
    connection = Connection("nats://127.0.0.1:4222", "test", inbox_prefix="_INBOX_test")
    with pytest.raises(PenstockError) as raised:
        await call(connection)
    assert raised.value.code == "broker_unavailable"
    with pytest.raises(PenstockError):
        jetstream.context(connection)
