"""A queue's length is a number only if JetStream has sent it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_broker.connection import Connection
from penstock_broker.queue_state import QueueState, QueueUnavailable, read, state_of

ANSWER = (
    b'{"type":"io.nats.jetstream.api.v1.consumer_info_response","num_pending":7,"num_ack_pending":2,"num_waiting":1}'
)

REFUSALS: dict[str, tuple[bytes, str]] = {
    "no stream": (b'{"error":{"code":404,"err_code":10059,"description":"stream not found"}}', "QueueMissing"),
    "no consumer": (b'{"error":{"code":404,"err_code":10014,"description":"consumer not found"}}', "QueueMissing"),
    "no leader": (b'{"error":{"code":503,"err_code":10008,"description":"unavailable"}}', "BrokerUnavailable"),
    "an error beside numbers": (b'{"num_pending":0,"num_ack_pending":0,"error":{"code":500}}', "BrokerUnavailable"),
    "no numbers": (b"{}", "BrokerUnavailable"),
    "half of the numbers": (b'{"num_pending":0}', "BrokerUnavailable"),
    "a number that is none": (b'{"num_pending":"0","num_ack_pending":0}', "BrokerUnavailable"),
    "nothing": (b"", "BrokerUnavailable"),
    "not UTF-8": (b'{"num_pending":0,"x":"\xff"}', "BrokerUnavailable"),
}


def test_queue_state_has_the_numbers_of_the_leader() -> None:
    assert state_of(ANSWER) == QueueState(pending=7, ack_pending=2)


@pytest.mark.parametrize(("answer", "reason"), REFUSALS.values(), ids=REFUSALS)
def test_queue_state_reports_any_other_response_as_unavailable_with_its_reason(answer: bytes, reason: str) -> None:
    with pytest.raises(QueueUnavailable) as error:
        state_of(answer)
    assert error.value.reason == reason
    assert str(error.value)


@given(st.binary(max_size=64))
def test_queue_state_makes_a_number_only_of_a_valid_response(answer: bytes) -> None:
    with pytest.raises(QueueUnavailable):
        state_of(answer)


async def test_queue_state_is_unavailable_without_a_connection() -> None:
    connection = Connection("nats://127.0.0.1:4222", "test", inbox_prefix="_INBOX_test")
    with pytest.raises(QueueUnavailable) as error:
        await read(connection, "default", "main")
    assert error.value.reason == "BrokerUnavailable"
