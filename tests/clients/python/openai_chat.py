"""openai-python: chat, streams, tools, structured output, embeddings and errors."""

import asyncio
import os

import openai
from cases import case, run
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

URL, MODEL = os.environ["PENSTOCK_URL"], os.environ["MODEL"]
HI = [{"role": "user", "content": "What is the capital of France?"}]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "strict": True,
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
                "additionalProperties": False,
            },
        },
    }
    for name in ("weather", "population")
]
client = OpenAI(base_url=f"{URL}/v1", api_key="not-needed", max_retries=0)


class City(BaseModel):
    name: str
    people: int


@case
def whole_answer() -> None:
    answer = client.chat.completions.create(model=MODEL, messages=HI)
    assert answer.choices[0].message.content == "Paris is the capital of France."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 11


@case
def stream() -> None:
    chunks = list(client.chat.completions.create(model=MODEL, messages=HI, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Paris is the capital of France."
    assert chunks[-1].choices[0].finish_reason == "stop"


@case
def stream_with_usage() -> None:
    options = {"include_usage": True}
    *_, last = client.chat.completions.create(model=MODEL, messages=HI, stream=True, stream_options=options)
    assert last.usage is not None
    assert last.usage.completion_tokens == 5


@case
def stream_helper() -> None:
    with client.chat.completions.stream(model=MODEL, messages=HI) as events:
        final = events.get_final_completion()
    assert final.choices[0].message.content == "Paris is the capital of France."


@case
def parse() -> None:
    answer = client.chat.completions.parse(model=MODEL, messages=HI, response_format=City)
    assert answer.choices[0].message.parsed == City(name="Rome", people=7)


@case
def parallel_tools_and_their_results() -> None:
    first = client.chat.completions.create(model=MODEL, messages=HI, tools=TOOLS).choices[0]
    assert first.finish_reason == "tool_calls"
    calls = first.message.tool_calls
    assert calls is not None
    assert [call.function.name for call in calls] == ["weather", "population"]
    assert all(call.function.arguments == '{"city": "Rome"}' for call in calls)
    results = [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in calls]
    second = client.chat.completions.create(model=MODEL, messages=[*HI, first.message, *results], tools=TOOLS)
    assert second.choices[0].message.content == "It is sunny in Rome."


@case
def streamed_tools() -> None:
    with client.chat.completions.stream(model=MODEL, messages=HI, tools=TOOLS) as events:
        final = events.get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert calls is not None
    assert [call.function.parsed_arguments for call in calls] == [{"city": "Rome"}, {"city": "Rome"}]


@case
def concurrent_streams() -> None:
    async def one(asynchronous: AsyncOpenAI) -> str:
        answer = await asynchronous.chat.completions.create(model=MODEL, messages=HI, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in answer])

    async def all_() -> list[str]:
        async with AsyncOpenAI(base_url=f"{URL}/v1", api_key="not-needed", max_retries=0) as asynchronous:
            return await asyncio.gather(*(one(asynchronous) for _ in range(20)))

    assert set(asyncio.run(all_())) == {"Paris is the capital of France."}


@case
def error_of_an_unknown_model() -> None:
    try:
        client.chat.completions.create(model="no-such-model", messages=HI)
    except openai.NotFoundError as error:
        assert error.code == "model_not_found"
        assert error.request_id
    else:
        raise AssertionError("a model that does not exist was answered for")


@case
def embeddings() -> None:
    answer = client.embeddings.create(model=os.environ["EMBEDDING_MODEL"], input=["a", "b"])
    assert [item.embedding for item in answer.data] == [[0.0, 0.5, -1.0], [1.0, 0.5, -1.0]]


run()
