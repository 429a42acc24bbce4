"""anthropic-python: messages, streams, tools, thinking, structured output, counts, models, errors and retries."""

import asyncio
import os

import anthropic
import httpx2 as httpx
from anthropic import Anthropic, AsyncAnthropic, beta_tool
from cases import case, run
from pydantic import BaseModel

URL, MODEL = os.environ["PENSTOCK_URL"], os.environ["MODEL"]
TEXT = "Paris is the capital of France."
HI = [{"role": "user", "content": "What is the capital of France?"}]
TOOLS = [
    {
        "name": name,
        "description": f"the {name} of a city",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
    for name in ("weather", "population")
]
client = Anthropic(base_url=URL, api_key="not-needed", max_retries=0)


class City(BaseModel):
    name: str
    people: int


@case
def whole_message() -> None:
    message = client.messages.create(model=MODEL, max_tokens=64, messages=HI)
    assert [block.text for block in message.content if block.type == "text"] == [TEXT]
    assert (message.role, message.stop_reason, message.model) == ("assistant", "end_turn", MODEL)
    assert (message.usage.input_tokens, message.usage.output_tokens) == (11, 5)
    assert message.id.startswith("msg_")
    assert message._request_id


@case
def raw_stream() -> None:
    events = list(client.messages.create(model=MODEL, max_tokens=64, messages=HI, stream=True))
    assert (events[0].type, events[-1].type) == ("message_start", "message_stop")
    texts = [event.delta.text for event in events if event.type == "content_block_delta"]
    assert "".join(texts) == TEXT
    assert len(texts) > 1


@case
def stream_helper() -> None:
    with client.messages.stream(model=MODEL, max_tokens=64, messages=HI) as stream:
        assert "".join(stream.text_stream) == TEXT
        message = stream.get_final_message()
    assert message.content[0].text == TEXT
    assert (message.usage.input_tokens, message.usage.output_tokens) == (11, 5)
    assert message.stop_reason == "end_turn"


@case
def parallel_tools_and_their_results() -> None:
    first = client.messages.create(model=MODEL, max_tokens=64, messages=HI, tools=TOOLS)
    assert first.stop_reason == "tool_use"
    calls = [block for block in first.content if block.type == "tool_use"]
    assert [(call.name, call.input) for call in calls] == [(tool["name"], {"city": "Rome"}) for tool in TOOLS]
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"} for call in calls]
    turns = [*HI, {"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
    second = client.messages.create(model=MODEL, max_tokens=64, messages=turns, tools=TOOLS)
    assert second.content[0].text == "It is sunny in Rome."


@case
def streamed_tools() -> None:
    with client.messages.stream(model=MODEL, max_tokens=64, messages=HI, tools=TOOLS) as stream:
        message = stream.get_final_message()
    assert [block.input for block in message.content if block.type == "tool_use"] == [{"city": "Rome"}] * 2


@case
def one_chosen_tool() -> None:
    choice = {"type": "tool", "name": "population", "disable_parallel_tool_use": True}
    message = client.messages.create(model=MODEL, max_tokens=64, messages=HI, tools=TOOLS, tool_choice=choice)
    assert [block.name for block in message.content if block.type == "tool_use"] == ["population"]


@case
def tool_runner() -> None:
    @beta_tool
    def weather(city: str) -> str:
        """The weather of a city.

        Args:
            city: The city's name.
        """
        return f"sunny in {city}"

    final = client.beta.messages.tool_runner(model=MODEL, max_tokens=64, messages=HI, tools=[weather]).until_done()
    assert final.content[0].text == "It is sunny in Rome."


@case
def thinking_and_its_next_turn() -> None:
    thinking = {"type": "enabled", "budget_tokens": 17_000}
    with client.messages.stream(model=MODEL, max_tokens=20_000, messages=HI, thinking=thinking) as stream:
        message = stream.get_final_message()
    thought, text = message.content
    assert thought.type == "thinking"
    assert thought.thinking == "Let me think."
    assert thought.signature
    assert text.text == TEXT
    turns = [*HI, {"role": "assistant", "content": message.content}, *HI]
    again = client.messages.create(model=MODEL, max_tokens=20_000, messages=turns, thinking=thinking)
    assert [block.type for block in again.content] == ["thinking", "text"]


@case
def thinking_is_not_sent_unasked() -> None:
    message = client.messages.create(model=MODEL, max_tokens=64, messages=HI)
    assert [block.type for block in message.content] == ["text"]


@case
def system_blocks_images_and_hints() -> None:
    hint = {"type": "ephemeral"}
    picture = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    response = client.messages.with_raw_response.create(
        model=MODEL,
        max_tokens=64,
        system=[{"type": "text", "text": "Be brief.", "cache_control": hint}],
        messages=[
            {"role": "user", "content": [{"type": "image", "source": picture}, {"type": "text", "text": "Where?"}]}
        ],
        stop_sequences=["END"],
        metadata={"user_id": "u-1"},
        service_tier="auto",
    )
    assert response.parse().content[0].text == TEXT
    ignored = response.headers.get("x-penstock-ignored", "")
    assert ignored in {"", "service_tier, system.cache_control"}, ignored


@case
def structured_output() -> None:
    message = client.messages.parse(model=MODEL, max_tokens=64, messages=HI, output_format=City)
    assert message.parsed_output == City(name="Rome", people=7)


@case
def count_of_tokens() -> None:
    count = client.messages.count_tokens(model=MODEL, messages=HI, system="Be brief.", tools=TOOLS)
    assert count.input_tokens > 0


@case
def models() -> None:
    names = [model.id for model in client.models.list()]
    assert MODEL in names
    assert [model.id for model in client.models.list(limit=1)] == names
    assert client.models.retrieve(MODEL).display_name == MODEL


@case
def bearer_token() -> None:
    bearer = Anthropic(base_url=URL, auth_token="not-needed", max_retries=0)
    assert bearer.messages.create(model=MODEL, max_tokens=64, messages=HI).content[0].text == TEXT


@case
def newer_version_without_sampling() -> None:
    newer = Anthropic(base_url=URL, api_key="k", max_retries=0, default_headers={"anthropic-version": "2026-10-21"})
    assert newer.messages.create(model=MODEL, max_tokens=64, messages=HI).content[0].text == TEXT
    try:
        newer.messages.create(model=MODEL, max_tokens=64, messages=HI, extra_body={"temperature": 1.0})
    except anthropic.BadRequestError as error:
        assert error.type == "invalid_request_error"
        assert "temperature" in error.message
    else:
        raise AssertionError("the version has no temperature")


@case
def concurrent_streams() -> None:
    async def one(asynchronous: AsyncAnthropic) -> str:
        async with asynchronous.messages.stream(model=MODEL, max_tokens=64, messages=HI) as stream:
            return await stream.get_final_text()

    async def all_() -> list[str]:
        async with AsyncAnthropic(base_url=URL, api_key="not-needed", max_retries=0) as asynchronous:
            return await asyncio.gather(*(one(asynchronous) for _ in range(20)))

    assert set(asyncio.run(all_())) == {TEXT}


@case
def error_of_an_unknown_model() -> None:
    try:
        client.messages.create(model="no-such-model", max_tokens=64, messages=HI)
    except anthropic.NotFoundError as error:
        assert error.type == "not_found_error"
        assert error.body["type"] == "error"
        assert error.request_id == error.body["request_id"]
    else:
        raise AssertionError("a model that does not exist was answered for")


@case
def error_of_a_missing_field() -> None:
    response = httpx.post(f"{URL}/v1/messages", json={"model": MODEL, "messages": HI})
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", "max_tokens")


@case
def failures_are_retried() -> None:
    patient = Anthropic(base_url=URL, api_key="not-needed", max_retries=2)
    message = patient.messages.create(
        model=MODEL, max_tokens=64, messages=[{"role": "user", "content": f"fail twice {os.getpid()}"}]
    )
    assert message.content[0].text == TEXT


@case
def error_in_a_stream() -> None:
    try:
        with client.messages.stream(
            model=MODEL, max_tokens=64, messages=[{"role": "user", "content": "break off"}]
        ) as stream:
            stream.until_done()
    except anthropic.APIStatusError as error:
        assert error.type == "api_error"
    else:
        raise AssertionError("an answer that broke off was taken for whole")


run()
