"""The client against a gateway with broker and worker, in front of a scripted provider."""

import pytest
from harness.provider_answers import embeddings, text_then_cut, text_then_wait
from harness.stack import Stack

from penstock_client import AsyncClient, GatewayError
from penstock_contract.endpoint_responses import EmbedResponse, Readiness
from penstock_contract.endpoints import (
    CHAT_COMPLETION,
    CHAT_COMPLETION_STREAM,
    EMBED,
    EMBEDDINGS,
    HEALTH,
    READY,
)
from penstock_contract.request.messages import Message
from penstock_contract.request.operations import (
    ChatCompletionRequest,
    ChatMessage,
    EmbeddingsRequest,
    EmbedRequest,
)

MAIN = ChatCompletionRequest(model="main", messages=[Message("user", "hi")])


@pytest.mark.asyncio(loop_scope="module")
async def test_client_reads_every_endpoint_of_a_gateway_as_its_type(stack: Stack) -> None:
    """The responses have the types that the contract declares."""
    models = ["main", {"name": "vectors", "type": "Embedding"}]
    await stack.reconfigure(models=models)
    async with AsyncClient(stack.url) as client:
        assert await client.call(READY) == Readiness(True, "ok")
        assert (await client.call(HEALTH)).status == "ok"
        assert {"main", "vectors"} <= {model.id for model in await client.models()}
        async with client.chat([ChatMessage("user", "hi")], "main") as chunks:
            assert [chunk.text async for chunk in chunks] == ["Hel", "lo"]
            assert chunks.request_id
        async with client.generate("hi", "main") as chunks:
            assert "".join([chunk.text async for chunk in chunks]) == "Hello"
        completion = await client.call(CHAT_COMPLETION, MAIN)
        assert completion.choices[0].message.content == "Hello"
        async with client.stream(CHAT_COMPLETION_STREAM, MAIN) as completions:
            deltas = [chunk.choices[0].delta.content or "" async for chunk in completions]
        assert "".join(deltas) == "Hello"
        stack.main.answers(embeddings([[1.0, 2.0]]))
        assert await client.embed("cat", "vectors") == EmbedResponse([1.0, 2.0], 2)
        answer = await client.call(EMBEDDINGS, EmbeddingsRequest(model="vectors", input="cat"))
        assert answer.data[0].embedding == [1.0, 2.0]


@pytest.mark.asyncio(loop_scope="module")
async def test_client_reads_the_codes_of_a_gateways_errors(stack: Stack) -> None:
    """Before the stream with their status, inside it with what came so far."""
    received: list[str] = []

    async def consume_all(client: AsyncClient) -> None:
        async with client.chat([ChatMessage("user", "hi")]) as chunks:
            async for chunk in chunks:
                received.append(chunk.text)  # noqa: PERF401 - an async comprehension would lose what came

    async with AsyncClient(stack.url) as client:
        with pytest.raises(GatewayError) as unknown:
            await client.call(EMBED, EmbedRequest("cat", "unknown"))
        with pytest.raises(GatewayError) as invalid:
            await client.call(EMBED, EmbedRequest(""))
        stack.main.answers(text_then_cut("Hel"))
        with pytest.raises(GatewayError) as broken:
            await consume_all(client)

    assert (unknown.value.status, unknown.value.code) == (404, "model_not_found")
    assert (invalid.value.status, invalid.value.code, invalid.value.param) == (400, "invalid_request", "text")
    assert (broken.value.status, broken.value.code, received) == (200, "provider_stream_broken", ["Hel"])
    assert all(caught.value.request_id for caught in (unknown, invalid, broken))


@pytest.mark.asyncio(loop_scope="module")
async def test_client_ends_the_provider_call_when_a_stream_is_left(stack: Stack) -> None:
    """All the way from the client's `async with` to the provider's connection."""
    stack.main.answers(text_then_wait("Hel"))
    async with AsyncClient(stack.url) as client:
        async with client.chat([ChatMessage("user", "hi")]) as chunks:
            assert (await anext(chunks)).text == "Hel"
        await stack.main.calls[0].left()
