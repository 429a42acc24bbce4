"""openai-python's Responses API: whole answers, streams, tools, parse, and stored responses."""

import os
import time

import openai
from cases import case, run
from openai import OpenAI
from pydantic import BaseModel

URL, MODEL = os.environ["PENSTOCK_URL"], os.environ["MODEL"]
TEXT = "Paris is the capital of France."
PROMPT = "What is the capital of France?"
TOOLS = [
    {
        "type": "function",
        "name": "weather",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    }
]
client = OpenAI(base_url=f"{URL}/v1", api_key="not-needed", max_retries=0)


class City(BaseModel):
    name: str
    people: int


def ended(id_: str) -> openai.types.responses.Response:
    """The response, once it has ended."""
    deadline = time.monotonic() + 20
    while (found := client.responses.retrieve(id_)).status in {"queued", "in_progress"}:
        assert time.monotonic() < deadline, found.status
        time.sleep(0.05)
    return found


@case
def whole_answer() -> None:
    answer = client.responses.create(model=MODEL, input=PROMPT, instructions="Be brief.")
    assert answer.output_text == TEXT
    assert answer.status == "completed"
    assert answer.usage is not None
    assert answer.usage.input_tokens == 11
    assert answer.instructions == "Be brief."


@case
def stream() -> None:
    events = list(client.responses.create(model=MODEL, input=PROMPT, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == TEXT
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == TEXT


@case
def stream_helper() -> None:
    with client.responses.stream(model=MODEL, input=PROMPT) as opened:
        kinds = [event.type for event in opened]
        assert opened.get_final_response().output_text == TEXT
    assert kinds[0] == "response.created"


@case
def tool_round_trip() -> None:
    first = client.responses.create(model=MODEL, input="weather?", tools=TOOLS)
    [call] = [item for item in first.output if item.type == "function_call"]
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    items = [{"role": "user", "content": "weather?"}, *first.output, output]
    assert client.responses.create(model=MODEL, input=items, tools=TOOLS).output_text == "It is sunny in Rome."


@case
def streamed_tool() -> None:
    events = list(client.responses.create(model=MODEL, input="weather?", tools=TOOLS, stream=True))
    [done] = [event for event in events if event.type == "response.function_call_arguments.done"]
    assert done.name == "weather"
    assert "".join(e.delta for e in events if e.type == "response.function_call_arguments.delta") == done.arguments


@case
def parse() -> None:
    answer = client.responses.parse(model=MODEL, input="A city?", text_format=City)
    assert answer.output_parsed == City(name="Rome", people=7)


@case
def continued() -> None:
    first = client.responses.create(model=MODEL, input="weather?", tools=TOOLS)
    [call] = [item for item in first.output if item.type == "function_call"]
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    second = client.responses.create(model=MODEL, input=[output], tools=TOOLS, previous_response_id=first.id)
    assert second.output_text == "It is sunny in Rome."
    assert [item.type for item in client.responses.input_items.list(second.id)] == ["function_call_output"]


@case
def background() -> None:
    made = client.responses.create(model=MODEL, input=PROMPT, background=True)
    assert made.status in {"queued", "in_progress"}
    assert ended(made.id).output_text == TEXT


@case
def background_stream_read_on() -> None:
    events = list(client.responses.create(model=MODEL, input=PROMPT, background=True, stream=True))
    rest = client.responses.retrieve(events[0].response.id, stream=True, starting_after=4)
    assert [event.sequence_number for event in rest] == list(range(5, len(events)))


@case
def cancelled() -> None:
    made = client.responses.create(model=MODEL, input=PROMPT, background=True)
    assert client.responses.cancel(made.id).status in {"cancelled", "completed"}
    assert ended(made.id).status in {"cancelled", "completed"}


@case
def deleted() -> None:
    made = client.responses.create(model=MODEL, input=PROMPT)
    client.responses.delete(made.id)
    try:
        client.responses.retrieve(made.id)
    except openai.NotFoundError as error:
        assert error.code == "response_not_found"
    else:
        raise AssertionError("a deleted response was found")


@case
def input_tokens() -> None:
    assert client.responses.input_tokens.count(model=MODEL, input=PROMPT).input_tokens > 1


@case
def hosted_tool() -> None:
    try:
        client.responses.create(model=MODEL, input=PROMPT, tools=[{"type": "web_search"}])
    except openai.BadRequestError as error:
        assert "web_search" in error.message
        assert error.param == "tools[0]"
    else:
        raise AssertionError("a hosted tool was accepted")


run()
