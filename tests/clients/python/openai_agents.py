"""openai-agents in its default mode (Responses) and in its chat mode: text, streamed tools, a handoff, output types."""

import os

from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    SQLiteSession,
    function_tool,
    set_default_openai_client,
    set_tracing_disabled,
)
from cases import case, run
from openai import AsyncOpenAI
from pydantic import BaseModel

URL, MODEL = os.environ["PENSTOCK_URL"], os.environ["MODEL"]
set_tracing_disabled(True)


class City(BaseModel):
    name: str
    people: int


@function_tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


def agent(**fields: object) -> Agent:
    client = AsyncOpenAI(base_url=f"{URL}/v1", api_key="not-needed", max_retries=0)
    return Agent(name="guide", model=OpenAIChatCompletionsModel(MODEL, client), **fields)


def responses_agent(**fields: object) -> Agent:
    client = AsyncOpenAI(base_url=f"{URL}/v1", api_key="not-needed", max_retries=0)
    return Agent(name="guide", model=OpenAIResponsesModel(MODEL, client), **fields)


@case
async def text() -> None:
    result = await Runner.run(agent(), "What is the capital of France?")
    assert result.final_output == "Paris is the capital of France."


@case
async def streamed_tools() -> None:
    result = Runner.run_streamed(agent(tools=[weather]), "How is the weather?")
    async for _ in result.stream_events():
        pass
    assert result.final_output == "It is sunny in Rome."


@case
async def handoff() -> None:
    expert = Agent(name="expert", model=agent().model)
    result = await Runner.run(agent(handoffs=[expert]), "How is the weather?")
    assert (result.last_agent.name, result.final_output) == ("expert", "It is sunny in Rome.")


@case
async def output_type() -> None:
    result = await Runner.run(agent(output_type=City), "A city?")
    assert result.final_output == City(name="Rome", people=7)


@case
async def responses_text() -> None:
    result = await Runner.run(responses_agent(), "What is the capital of France?")
    assert result.final_output == "Paris is the capital of France."


@case
async def responses_tools() -> None:
    result = await Runner.run(responses_agent(tools=[weather]), "How is the weather?")
    assert result.final_output == "It is sunny in Rome."


@case
async def responses_streamed_tools() -> None:
    result = Runner.run_streamed(responses_agent(tools=[weather]), "How is the weather?")
    async for _ in result.stream_events():
        pass
    assert result.final_output == "It is sunny in Rome."


@case
async def responses_handoff() -> None:
    expert = Agent(name="expert", model=responses_agent().model)
    result = await Runner.run(responses_agent(handoffs=[expert]), "How is the weather?")
    assert (result.last_agent.name, result.final_output) == ("expert", "It is sunny in Rome.")


@case
async def responses_output_type() -> None:
    result = await Runner.run(responses_agent(output_type=City), "A city?")
    assert result.final_output == City(name="Rome", people=7)


@case
async def default_mode_by_the_name_of_a_model() -> None:
    set_default_openai_client(AsyncOpenAI(base_url=f"{URL}/v1", api_key="not-needed", max_retries=0))
    result = Runner.run_streamed(Agent(name="guide", model=MODEL, tools=[weather]), "How is the weather?")
    async for _ in result.stream_events():
        pass
    assert result.final_output == "It is sunny in Rome."
    assert result.context_wrapper.usage.total_tokens == 32


@case
async def default_mode_in_a_session() -> None:
    session = SQLiteSession("a")
    model = responses_agent(tools=[weather])
    for _ in range(2):
        result = await Runner.run(model, "How is the weather?", session=session)
    assert result.final_output == "It is sunny in Rome."


@case
async def default_mode_continued_by_id() -> None:
    first = await Runner.run(responses_agent(), "What is the capital of France?")
    again = await Runner.run(responses_agent(), "And now?", previous_response_id=first.last_response_id)
    assert again.final_output == "Paris is the capital of France."


run()
