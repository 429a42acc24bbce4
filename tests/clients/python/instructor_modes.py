"""instructor: structured output in its modes for OpenAI's API."""

import os
from collections.abc import Iterable

import instructor
from cases import case, run
from openai import OpenAI
from pydantic import BaseModel

URL, MODEL = os.environ["PENSTOCK_URL"], os.environ["MODEL"]


class City(BaseModel):
    name: str
    people: int


def extracted(mode: instructor.Mode) -> dict[str, object]:
    """The parsed value, as a dict: the object itself carries the raw answer and equals no other."""
    client = instructor.from_openai(OpenAI(base_url=f"{URL}/v1", api_key="not-needed", max_retries=0), mode=mode)
    city = client.chat.completions.create(
        model=MODEL, response_model=City, max_retries=1, messages=[{"role": "user", "content": "A city?"}]
    )
    return city.model_dump()


@case
def tools() -> None:
    assert extracted(instructor.Mode.TOOLS) == {"name": "Rome", "people": 7}


@case
def strict_tools() -> None:
    assert extracted(instructor.Mode.TOOLS_STRICT) == {"name": "Rome", "people": 7}


@case
def parallel_tools() -> None:
    client = instructor.from_openai(
        OpenAI(base_url=f"{URL}/v1", api_key="not-needed", max_retries=0), mode=instructor.Mode.PARALLEL_TOOLS
    )
    cities = client.chat.completions.create(
        model=MODEL, response_model=Iterable[City], messages=[{"role": "user", "content": "A city?"}]
    )
    assert [city.model_dump() for city in cities] == [{"name": "Rome", "people": 7}]


@case
def json_object() -> None:
    assert extracted(instructor.Mode.JSON) == {"name": "Rome", "people": 7}


@case
def markdown_json() -> None:
    assert extracted(instructor.Mode.MD_JSON) == {"name": "Rome", "people": 7}


@case
def partial_stream() -> None:
    client = instructor.from_openai(OpenAI(base_url=f"{URL}/v1", api_key="not-needed", max_retries=0))
    pieces = client.chat.completions.create_partial(
        model=MODEL, response_model=City, messages=[{"role": "user", "content": "A city?"}]
    )
    assert [piece.model_dump() for piece in pieces][-1] == {"name": "Rome", "people": 7}


@case
def json_schema() -> None:
    assert extracted(instructor.Mode.JSON_SCHEMA) == {"name": "Rome", "people": 7}


@case
def responses_tools() -> None:
    client = instructor.from_openai(
        OpenAI(base_url=f"{URL}/v1", api_key="not-needed", max_retries=0), mode=instructor.Mode.RESPONSES_TOOLS
    )
    city = client.responses.create(model=MODEL, response_model=City, max_retries=1, input="A city?")
    assert city.model_dump() == {"name": "Rome", "people": 7}


@case
def responses_partial_stream() -> None:
    client = instructor.from_openai(
        OpenAI(base_url=f"{URL}/v1", api_key="not-needed", max_retries=0), mode=instructor.Mode.RESPONSES_TOOLS
    )
    pieces = client.responses.create_partial(model=MODEL, response_model=City, input="A city?")
    assert [piece.model_dump() for piece in pieces][-1] == {"name": "Rome", "people": 7}


@case
def responses_tools_beside_hosted_ones() -> None:
    mode = instructor.Mode.RESPONSES_TOOLS_WITH_INBUILT_TOOLS
    client = instructor.from_openai(OpenAI(base_url=f"{URL}/v1", api_key="not-needed", max_retries=0), mode=mode)
    city = client.responses.create(model=MODEL, response_model=City, max_retries=1, input="A city?")
    assert city.model_dump() == {"name": "Rome", "people": 7}


run()
