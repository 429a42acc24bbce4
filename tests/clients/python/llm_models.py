"""`llm` with its models for chat, Responses and the older completions: texts, conversations, tools, schemas.

By its Python API: the command takes five seconds of CPU to start.
"""

import json
import os
import tempfile
from pathlib import Path

from cases import case_of_each, run

URL, MODEL = os.environ["PENSTOCK_URL"], os.environ["MODEL"]
TEXT = "Paris is the capital of France."
PROMPT = "What is the capital of France?"
HOME = tempfile.TemporaryDirectory()
SETTINGS = {"model_name": MODEL, "api_base": f"{URL}/v1", "can_stream": True, "supports_tools": True}
MODELS = [
    {"model_id": "chat", "supports_schema": True, **SETTINGS},
    {"model_id": "responses", "responses": True, "supports_schema": True, **SETTINGS},
    {"model_id": "completion", "completion": True, **SETTINGS},
]
# JSON is YAML.
Path(HOME.name, "extra-openai-models.yaml").write_text(json.dumps(MODELS))
os.environ["LLM_USER_PATH"] = HOME.name

import llm  # noqa: E402 - it reads the variable

of_chats = case_of_each({name: llm.get_model(name) for name in ("chat", "responses")})
of_all = case_of_each({name: llm.get_model(name) for name in ("chat", "responses", "completion")})


def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


@of_all
def streamed_text(model: llm.Model) -> None:
    assert "".join(model.prompt(PROMPT)).strip() == TEXT


@of_all
def whole_text(model: llm.Model) -> None:
    assert model.prompt(PROMPT, stream=False).text().strip() == TEXT


@of_all
def conversation(model: llm.Model) -> None:
    spoken = model.conversation()
    assert [spoken.prompt(text).text().strip() for text in (PROMPT, "And now?")] == [TEXT, TEXT]


@of_chats
def tool(model: llm.Model) -> None:
    # All responses of the chain: the call has no text.
    assert model.chain("How is the weather?", tools=[weather]).text() == "It is sunny in Rome."


@of_chats
def schema(model: llm.Model) -> None:
    answer = model.prompt("A city?", schema=llm.schema_dsl("name, people int"))
    assert json.loads(answer.text()) == {"name": "Rome", "people": 7}


run()
