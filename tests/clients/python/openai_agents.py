"""openai-agents in its default mode (Responses) and in its chat mode: text, streamed tools, a handoff, output types."""

import os

from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool, set_tracing_disabled
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


run()
