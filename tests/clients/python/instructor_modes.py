"""instructor: structured output in its modes for OpenAI's API."""

import os

import instructor
from cases import case, run
from openai import OpenAI
from pydantic import BaseModel

URL, MODEL = os.environ["PENSTOCK_URL"], os.environ["MODEL"]


class City(BaseModel):
    name: str
    people: int


def extracted(mode: instructor.Mode) -> dict[str, object]:
    """What the library read. As a dict, since the object itself carries the raw answer and equals no other."""
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
def json_schema() -> None:
    assert extracted(instructor.Mode.JSON_SCHEMA) == {"name": "Rome", "people": 7}


run()
