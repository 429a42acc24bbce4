"""Errors of nats-py and of sockets become `broker_unavailable`; an error of ours passes through."""

import pytest
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.errors import ServerError

from penstock_broker.errors import translated
from penstock_contract.errors import PenstockError

ERRORS = [NoRespondersError(), NatsTimeoutError(), TimeoutError(), ConnectionResetError("x"), ServerError(code=503)]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_of_the_broker_become_broker_unavailable(error: Exception) -> None:
    with pytest.raises(PenstockError) as raised, translated("the key store does not answer"):
        raise error
    assert (raised.value.code, raised.value.detail.message) == ("broker_unavailable", "the key store does not answer")
    assert raised.value.__cause__ is error


def test_errors_keep_their_own_text_for_the_control_plane() -> None:
    with pytest.raises(PenstockError) as raised, translated():
        raise ConnectionResetError("stream REQUESTS_a_b")
    assert raised.value.detail.message == "the message broker refused: stream REQUESTS_a_b"


def test_errors_log_their_text_where_the_message_has_none_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(PenstockError) as raised, translated("no answer", event="keys.store_unavailable"):
        raise ConnectionResetError("a secret place")
    assert "a secret place" not in raised.value.detail.message
    assert "keys.store_unavailable" in capsys.readouterr().out


@pytest.mark.parametrize("error", [PenstockError("queue_full", "full"), ValueError("ours"), KeyError("a")])
def test_errors_of_penstock_pass_through(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, translated():
        raise error
    assert raised.value is error
