"""Requests for an endpoint, and the required form of its response."""

import msgspec
import pytest

from penstock_client.errors import GatewayError
from penstock_client.http_messages import answer, check_is_stream, content, headers_for
from penstock_contract.endpoint_responses import EmbedResponse
from penstock_contract.endpoints import CHAT, CHAT_COMPLETION, CHAT_COMPLETION_STREAM, EMBED, MODELS
from penstock_contract.request.messages import Message
from penstock_contract.request.operations import ChatCompletionRequest, ChatMessage, ChatRequest, EmbedRequest


@pytest.mark.parametrize(("door", "stream"), [(CHAT_COMPLETION, False), (CHAT_COMPLETION_STREAM, True)])
@pytest.mark.parametrize("requested", [None, True, False])
def test_http_request_has_the_stream_flag_of_its_openai_endpoint(
    door: object, stream: bool, requested: bool | None
) -> None:
    """The endpoint decides the form of its answer; the request cannot change it."""
    request = ChatCompletionRequest(model="m", messages=[Message("user", "hi")], stream=requested)

    assert stream is msgspec.json.decode(content(door, request) or b"")["stream"]  # type: ignore[arg-type]


def test_http_request_has_the_given_fields_only() -> None:
    """Unset fields are omitted, so that the gateway's defaults apply."""
    assert content(CHAT, ChatRequest([ChatMessage("user", "hi")])) == b'{"messages":[{"role":"user","content":"hi"}]}'
    assert content(EMBED, EmbedRequest("hi")) == b'{"text":"hi"}'
    assert content(MODELS, None) is None


def test_http_request_of_a_stream_asks_for_no_compression() -> None:
    """Compression delays events."""
    assert headers_for(CHAT)["accept-encoding"] == "identity"
    assert "accept-encoding" not in headers_for(EMBED)
    assert "content-type" not in headers_for(MODELS)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"embedding":"x","dimensions":1}', b"{}"])
def test_http_response_of_another_form_is_an_error(body: bytes) -> None:
    """A 200 of another form than the endpoint's is never returned."""
    with pytest.raises(GatewayError, match="/api/embed did not answer with a EmbedResponse") as caught:
        answer(EMBED, {"x-request-id": "req_1"}, body)

    assert (caught.value.code, caught.value.request_id) == ("invalid_response", "req_1")


def test_http_response_may_have_further_fields() -> None:
    """A newer gateway's extra fields are no error."""
    assert EmbedResponse([1.0], 1) == answer(EMBED, {}, b'{"embedding":[1],"dimensions":1,"model":"m"}')


def test_http_response_of_a_stream_must_be_an_event_stream() -> None:
    """A page of a proxy is no empty answer."""
    check_is_stream({"content-type": "text/event-stream; charset=utf-8"})
    with pytest.raises(GatewayError, match="got text/html"):
        check_is_stream({"content-type": "text/html"})
