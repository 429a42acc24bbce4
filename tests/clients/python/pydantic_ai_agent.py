"""pydantic-ai: text, streamed text, tools, a PDF, output by tool and by the provider's structured output."""

import os

from cases import case, run
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

URL, MODEL = os.environ["PENSTOCK_URL"], os.environ["MODEL"]
model = OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=f"{URL}/v1", api_key="not-needed"))


class City(BaseModel):
    name: str
    people: int


@case
def text() -> None:
    assert Agent(model).run_sync("What is the capital of France?").output == "Paris is the capital of France."


@case
async def streamed_text() -> None:
    async with Agent(model).run_stream("What is the capital of France?") as result:
        pieces = [piece async for piece in result.stream_text(delta=True)]
    assert "".join(pieces) == "Paris is the capital of France."


@case
def tools() -> None:
    agent = Agent(model)

    @agent.tool_plain
    def weather(city: str) -> str:
        return f"sunny in {city}"

    assert agent.run_sync("How is the weather?").output == "It is sunny in Rome."


@case
def output_by_tool() -> None:
    assert Agent(model, output_type=City).run_sync("A city?").output == City(name="Rome", people=7)


@case
def native_output() -> None:
    assert Agent(model, output_type=NativeOutput(City)).run_sync("A city?").output == City(name="Rome", people=7)


@case
def pdf() -> None:
    document = BinaryContent(data=b"%PDF-1.4", media_type="application/pdf")
    assert Agent(model).run_sync(["What is in it?", document]).output == "Paris is the capital of France."


run()
