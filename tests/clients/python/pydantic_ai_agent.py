"""pydantic-ai's chat model and its Responses model: text, streamed text, tools, a PDF, output by tool and natively."""

import os

from cases import case_of_each, run
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, NativeOutput
from pydantic_ai.messages import ThinkingPart
from pydantic_ai.models import Model
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel, OpenAIResponsesModelSettings
from pydantic_ai.providers.openai import OpenAIProvider

URL, MODEL = os.environ["PENSTOCK_URL"], os.environ["MODEL"]
provider = OpenAIProvider(base_url=f"{URL}/v1", api_key="not-needed")
responses = OpenAIResponsesModel(MODEL, provider=provider)
case = case_of_each({"chat": OpenAIChatModel(MODEL, provider=provider), "responses": responses})


class City(BaseModel):
    name: str
    people: int


@case
def text(model: Model) -> None:
    assert Agent(model).run_sync("What is the capital of France?").output == "Paris is the capital of France."


@case
async def streamed_text(model: Model) -> None:
    async with Agent(model).run_stream("What is the capital of France?") as result:
        pieces = [piece async for piece in result.stream_text(delta=True)]
    assert "".join(pieces) == "Paris is the capital of France."


@case
def tools(model: Model) -> None:
    agent = Agent(model)

    @agent.tool_plain
    def weather(city: str) -> str:
        return f"sunny in {city}"

    result = agent.run_sync("How is the weather?")
    assert result.output == "It is sunny in Rome."
    assert result.usage.output_tokens == 10


@case
async def streamed_tools(model: Model) -> None:
    agent = Agent(model)

    @agent.tool_plain
    def weather(city: str) -> str:
        return f"sunny in {city}"

    async with agent.run_stream("How is the weather?") as result:
        assert await result.get_output() == "It is sunny in Rome."


@case
def output_by_tool(model: Model) -> None:
    assert Agent(model, output_type=City).run_sync("A city?").output == City(name="Rome", people=7)


@case
def native_output(model: Model) -> None:
    assert Agent(model, output_type=NativeOutput(City)).run_sync("A city?").output == City(name="Rome", people=7)


@case
def pdf(model: Model) -> None:
    document = BinaryContent(data=b"%PDF-1.4", media_type="application/pdf")
    assert Agent(model).run_sync(["What is in it?", document]).output == "Paris is the capital of France."


@case
def history(model: Model) -> None:
    first = Agent(model).run_sync("What is the capital of France?")
    second = Agent(model).run_sync("And now?", message_history=first.all_messages())
    assert second.output == "Paris is the capital of France."


@case_of_each({"responses": responses})
def thinking_and_tools(model: Model) -> None:
    settings = OpenAIResponsesModelSettings(openai_reasoning_effort="high", openai_reasoning_summary="auto")
    agent = Agent(model, model_settings=settings)

    @agent.tool_plain
    def weather(city: str) -> str:
        return f"sunny in {city}"

    result = agent.run_sync("How is the weather?")
    assert result.output == "It is sunny in Rome."
    thoughts = [
        part.content for message in result.all_messages() for part in message.parts if isinstance(part, ThinkingPart)
    ]
    assert "Let me think." in thoughts


@case_of_each({"responses": responses})
def continued_by_id(model: Model) -> None:
    settings = OpenAIResponsesModelSettings(openai_previous_response_id="auto")
    agent = Agent(model, model_settings=settings)
    first = agent.run_sync("What is the capital of France?")
    second = agent.run_sync("And now?", message_history=first.all_messages())
    assert second.output == "Paris is the capital of France."


run()
