"""openai-python: the older Completions API, several choices, log probabilities."""

import os

import openai
from cases import case, run
from openai import OpenAI

URL, MODEL = os.environ["PENSTOCK_URL"], os.environ["MODEL"]
TEXT = "Paris is the capital of France."
HI = [{"role": "user", "content": "What is the capital of France?"}]
client = OpenAI(base_url=f"{URL}/v1", api_key="not-needed", max_retries=0)


@case
def completion() -> None:
    answer = client.completions.create(model=MODEL, prompt="What is the capital of France?", max_tokens=64)
    assert answer.choices[0].text == TEXT
    assert answer.choices[0].finish_reason == "stop"
    assert answer.object == "text_completion"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 16


@case
def completion_stream() -> None:
    options = {"include_usage": True}
    *chunks, last = client.completions.create(model=MODEL, prompt=["Hi"], stream=True, stream_options=options)
    assert "".join(chunk.choices[0].text for chunk in chunks) == TEXT
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert last.usage is not None
    assert last.usage.prompt_tokens == 11


@case
def refused_fields_are_named() -> None:
    for name, value in (("suffix", "}"), ("echo", True), ("best_of", 3)):
        try:
            client.completions.create(model=MODEL, prompt="Hi", **{name: value})
        except openai.BadRequestError as error:
            assert error.param == name
        else:
            raise AssertionError(name)


@case
def choices_or_the_field_that_is_refused() -> None:
    for name, value in (("n", 2), ("logprobs", True)):
        try:
            answer = client.chat.completions.create(model=MODEL, messages=HI, **{name: value})
        except openai.BadRequestError as error:
            assert MODEL == "claude"
            assert error.param == name
        else:
            assert MODEL == "gpt"
            assert answer.choices[0].message.content == TEXT


run()
