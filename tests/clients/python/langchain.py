"""langchain-openai: invoke, stream, tools, structured output, all by the Responses API, too; embeddings."""

import os

from cases import case, run
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

URL, MODEL = os.environ["PENSTOCK_URL"], os.environ["MODEL"]
chat = ChatOpenAI(base_url=f"{URL}/v1", api_key="not-needed", model=MODEL, max_retries=0, stream_usage=True)
responses = ChatOpenAI(base_url=f"{URL}/v1", api_key="not-needed", model=MODEL, max_retries=0, use_responses_api=True)


class City(BaseModel):
    name: str
    people: int


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


@case
def invoke() -> None:
    answer = chat.invoke("What is the capital of France?")
    assert answer.content == "Paris is the capital of France."
    assert answer.usage_metadata["total_tokens"] == 16


@case
def stream() -> None:
    pieces = list(chat.stream("What is the capital of France?"))
    assert "".join(piece.content for piece in pieces) == "Paris is the capital of France."
    assert sum(piece.usage_metadata["output_tokens"] for piece in pieces if piece.usage_metadata) == 5


@case
def tools_and_their_results() -> None:
    bound = chat.bind_tools([weather])
    question = HumanMessage("How is the weather?")
    first = bound.invoke([question])
    assert first.tool_calls[0]["args"] == {"city": "Rome"}
    result = ToolMessage(weather.invoke(first.tool_calls[0]["args"]), tool_call_id=first.tool_calls[0]["id"])
    assert bound.invoke([question, first, result]).content == "It is sunny in Rome."


@case
def structured_output_by_default() -> None:
    assert chat.with_structured_output(City).invoke("A city?") == City(name="Rome", people=7)


@case
def structured_output_by_function_calling() -> None:
    structured = chat.with_structured_output(City, method="function_calling")
    assert structured.invoke("A city?") == City(name="Rome", people=7)


@case
def embeddings() -> None:
    embedder = OpenAIEmbeddings(
        base_url=f"{URL}/v1",
        api_key="not-needed",
        model=os.environ["EMBEDDING_MODEL"],
        check_embedding_ctx_length=False,
    )
    assert embedder.embed_documents(["a", "b"]) == [[0.0, 0.5, -1.0], [1.0, 0.5, -1.0]]


@case
def responses_invoke() -> None:
    answer = responses.invoke("What is the capital of France?")
    assert answer.text == "Paris is the capital of France."
    assert answer.usage_metadata["total_tokens"] == 16


@case
def responses_stream() -> None:
    pieces = list(responses.stream("What is the capital of France?"))
    assert "".join(piece.text for piece in pieces) == "Paris is the capital of France."
    assert sum(piece.usage_metadata["output_tokens"] for piece in pieces if piece.usage_metadata) == 5


@case
def responses_tools_and_their_results() -> None:
    bound = responses.bind_tools([weather])
    question = HumanMessage("How is the weather?")
    first = bound.invoke([question])
    assert first.tool_calls[0]["args"] == {"city": "Rome"}
    result = ToolMessage(weather.invoke(first.tool_calls[0]["args"]), tool_call_id=first.tool_calls[0]["id"])
    assert bound.invoke([question, first, result]).text == "It is sunny in Rome."


@case
def responses_structured_output() -> None:
    assert responses.with_structured_output(City).invoke("A city?") == City(name="Rome", people=7)


@case
def responses_reasoning_round_trip() -> None:
    settings = {"reasoning": {"effort": "high", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}
    thinking = ChatOpenAI(
        base_url=f"{URL}/v1", api_key="not-needed", model=MODEL, max_retries=0, use_responses_api=True, **settings
    ).bind_tools([weather])
    question = HumanMessage("How is the weather?")
    first = thinking.invoke([question])
    assert [block["type"] for block in first.content] == ["reasoning", "function_call"]
    result = ToolMessage("sunny", tool_call_id=first.tool_calls[0]["id"])
    assert thinking.invoke([question, first, result]).text == "It is sunny in Rome."


@case
def responses_continued_by_id() -> None:
    follows = responses.model_copy(update={"use_previous_response_id": True})
    first = follows.invoke("What is the capital of France?")
    again = follows.invoke([HumanMessage("What is the capital of France?"), first, HumanMessage("And now?")])
    assert again.text == "Paris is the capital of France."


run()
