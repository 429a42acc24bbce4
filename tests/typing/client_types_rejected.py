"""Errors that an editor underlines: each line with a `rejected` comment has exactly that mypy error."""

from typing import assert_type

from penstock_client import AsyncClient, Client
from penstock_contract.endpoint_responses import ChatChunk
from penstock_contract.endpoints import CHAT, EMBED, MODELS
from penstock_contract.openai_responses.request import ResponseRequest
from penstock_contract.request.operations import ChatMessage, ChatRequest, EmbedRequest, GenerateRequest


def sync(client: Client) -> None:
    client.call(EMBED, ChatRequest([ChatMessage("user", "hi")]))  # rejected: misc
    client.call(EMBED, {"text": "hi"})  # rejected: misc
    client.call(EMBED)  # rejected: arg-type
    client.call(MODELS, EmbedRequest("hi"))  # rejected: misc
    client.call(EMBED, EmbedRequest(texts="hi"))  # rejected: call-arg
    client.call(CHAT, ChatRequest([ChatMessage("user", "hi")]))  # rejected: call-overload
    client.stream(CHAT, GenerateRequest("hi"))  # rejected: misc
    client.stream(EMBED, EmbedRequest("hi"))  # rejected: arg-type
    client.chat([ChatMessage("system", "hi")])  # rejected: arg-type
    client.responses.create(ResponseRequest(model="m", inputs="hi"))  # rejected: call-arg
    client.responses.create({"model": "m"})  # rejected: arg-type
    client.responses.input_items("resp_1", order="up")  # rejected: arg-type
    assert client.responses.retrieve("resp_1").statuses  # rejected: attr-defined
    assert_type(client.call(EMBED, EmbedRequest("hi")), ChatChunk)  # rejected: assert-type
    for _ in client.stream(CHAT, ChatRequest([])):  # rejected: attr-defined
        pass
    with client.stream(CHAT, ChatRequest([])) as chunks:
        assert next(chunks).embedding  # rejected: attr-defined


async def asynchronous(client: AsyncClient) -> None:
    await client.call(EMBED, GenerateRequest("hi"))  # rejected: misc
    client.stream(CHAT, GenerateRequest("hi"))  # rejected: misc
    async with client.stream(CHAT, ChatRequest([])) as chunks:
        for _ in chunks:  # rejected: attr-defined
            pass
