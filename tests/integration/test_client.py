"""Calls of the client against a scripted gateway: requests, answers, errors and retries, with virtual pauses."""

import json

import pytest
from harness.client_pair import COMPLETION, HELLO, Both, consume, read
from harness.scripted_gateway import (
    DONE,
    Gateway,
    Script,
    hang_up,
    refuse,
    respond,
    stream,
    text,
)

from penstock_client import GatewayError, GatewayUnreachable
from penstock_contract.endpoint_responses import EmbedResponse, Model, Readiness
from penstock_contract.endpoints import (
    CHAT,
    CHAT_COMPLETION,
    EMBED,
    MODELS,
    READY,
)
from penstock_contract.request.operations import (
    EmbedRequest,
)

# A good answer


def test_client_calls_an_endpoint(both: Both) -> None:
    """A typed request goes out as JSON with the key, a typed answer comes back."""
    with Gateway(respond({"embedding": [1.0, 2.0], "dimensions": 2})) as gateway:
        answer = both.run(gateway).call(EMBED, EmbedRequest("cat"))

    assert answer == EmbedResponse([1.0, 2.0], 2)
    [call] = gateway.calls
    assert (call.path, call.body) == ("/api/embed", {"text": "cat"})
    assert (call.headers["authorization"], call.headers["content-type"]) == ("Bearer k", "application/json")


def test_client_calls_an_endpoint_without_a_body(both: Both) -> None:
    """Models are listed as objects of the contract."""
    model = {"id": "org/m", "object": "model", "created": 1, "owned_by": "penstock"}
    with Gateway(respond({"object": "list", "data": [model]})) as gateway:
        models = both.run(gateway).models()

    assert models == [Model("org/m", 1, "penstock")]
    assert gateway.calls[0].body is None


def test_client_returns_not_ready_as_a_response(both: Both) -> None:
    """`/ready` returns a 503 that is not an error."""
    not_ready = json.dumps({"ready": False, "reason": "the message broker is away"}).encode()
    with Gateway(lambda call: call.answer(503, not_ready)) as gateway:
        assert both.run(gateway).call(READY) == Readiness(False, "the message broker is away")


# Trying again


def test_client_retries_after_the_gateways_retry_after(both: Both) -> None:
    """`retry-after` is waited, `retry-after-ms` more finely, without a hint half a second doubles."""
    full = [refuse(429, retry_after="3"), refuse(503, retry_after="2", retry_after_ms="1250")]
    with Gateway(*full, stream(text("a"), DONE), refuse(500), refuse(502), respond({"data": []})) as gateway:
        client = both.run(gateway)
        with client.stream(CHAT, HELLO) as chunks:
            assert read(chunks) == "a"
        assert client.call(MODELS).data == []

    assert both.pauses == [3.0, 1.25, 0.5, 1.0]
    assert [(seen.status, seen.request_id, seen.attempt) for seen in both.seen[:3]] == [
        (429, "req_0", 0),
        (503, "req_0", 1),
        (200, "req_1", 2),
    ]


def test_client_raises_the_gateways_message_after_the_last_retry(both: Both) -> None:
    """After two retries the last refusal is raised, whole."""
    with Gateway(*[refuse(429, retry_after="2")] * 4) as gateway, pytest.raises(GatewayError) as caught:
        consume(both.run(gateway), [])

    error = caught.value
    assert (error.status, error.code, error.message) == (429, "queue_full", "the worker is gone")
    assert (error.request_id, error.retry_after_s, error.retryable) == ("req_0", 2.0, True)
    assert len(gateway.calls) == 3


@pytest.mark.parametrize(
    "refusal",
    [refuse(400), refuse(429, retry_after="121"), refuse(503, x_should_retry="false")],
    ids=["a bad request", "a hint above 120 s", "x-should-retry: false"],
)
def test_client_does_not_retry_a_permanent_error(both: Both, refusal: Script) -> None:
    """One request, no pause."""
    with Gateway(refusal) as gateway, pytest.raises(GatewayError):
        both.run(gateway).call(EMBED, EmbedRequest("cat"))

    assert (len(gateway.calls), both.pauses) == (1, [])


@pytest.mark.parametrize(
    "broken",
    [hang_up, stream(end=b""), stream(b": ping\n\n", end=b""), stream()],
    ids=["no answer", "cut before an event", "cut after a heartbeat", "ended before an event"],
)
def test_client_retries_a_connection_lost_before_the_first_event(both: Both, broken: Script) -> None:
    """The caller has received nothing of that answer yet."""
    with Gateway(broken, stream(text("a"), DONE)) as gateway, both.run(gateway).stream(CHAT, HELLO) as chunks:
        assert read(chunks) == "a"

    assert both.pauses == [0.5]


def test_client_raises_when_the_connection_is_refused(both: Both) -> None:
    """Three attempts, then an error with the address."""
    with Gateway() as gateway:
        pass
    with pytest.raises(GatewayUnreachable, match=f"no answer from {gateway.url}: ") as caught:
        both.run(gateway).call(MODELS)

    assert both.pauses == [0.5, 1.0]
    assert (caught.value.code, caught.value.status) == ("gateway_unreachable", None)


# A stream that goes wrong


def test_client_raises_on_an_unknown_endpoint(both: Both) -> None:
    """A stream instead of a complete answer is an error."""
    script = stream(text("a"), DONE)
    with Gateway(script) as gateway, pytest.raises(GatewayError, match="did not answer with a ChatCompletion"):
        both.run(gateway).call(CHAT_COMPLETION, COMPLETION)
