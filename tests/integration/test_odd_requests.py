"""Odd requests at every endpoint: an answer, or a 4xx in the shape of the endpoint's dialect that names the field."""

import asyncio
import json
import re
from typing import Any

import httpx
import pytest
import pytest_asyncio
from harness.claude_code import model
from harness.odd_json import variants
from harness.odd_requests import BODIES, REQUIRED, path_of, repeated_keys, unknown_kinds
from harness.provider_answers import embeddings, json_answer, text_stream
from harness.provider_call import Call
from harness.route_spec import provider
from harness.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

STACK = {"models": ("main", {"name": "vectors", "type": "Embedding"}), "routing": {"retries": 0}}
JSON = {"content-type": "application/json"}
SIDE_BY_SIDE = 8
MOST = 80
STORED = "/v1/responses/resp_0123456789abcdef01234567"
WHOLE_BODY = re.compile(r"the request's body ")
"""A body that is not JSON, not text or nested too deeply is refused before its fields are known."""
NAMES = pytest.mark.parametrize("name", BODIES)


async def answer(call: Call) -> None:
    """The answer of the provider's endpoint."""
    if call.path.endswith("/embeddings"):
        inputs = call.body["input"]
        await embeddings([[0.5]] * (len(inputs) if isinstance(inputs, list) else 1))(call)
    elif call.path.endswith("/count_tokens"):
        await json_answer({"input_tokens": 1})(call)
    elif call.path.endswith("/messages"):
        await model("anthropic")(call)
    else:
        await text_stream("Hello")(call)


def problem(path: str, response: httpx.Response, field: str | None) -> str | None:
    """Why a response is not what a client can use; None for a right one. `field` is the top level of the odd place."""
    status = response.status_code
    if status < 400:
        return None
    if status >= 500:
        return f"{status} {response.text[:200]}"
    try:
        body = response.json()
        error = body["error"]
        message, param = error["message"], error.get("param")
    except (ValueError, KeyError, TypeError):
        return f"no error shape: {response.text[:200]}"
    if (body.get("type") == "error") != path.startswith("/v1/messages"):
        return f"another dialect's shape: {response.text[:200]}"
    if field is None or WHOLE_BODY.search(message):
        return None
    if status == 404 and param == "model":
        return None
    if param is None or re.split(r"[.\[]", param)[0] != field or field not in message:
        return f"{field} is not named: {param!r} {message!r}"
    return None


async def problems(stack: Stack, name: str, bodies: list[tuple[str, str, str | None]]) -> list[str]:
    """Of bodies, each with a description and the field that is odd."""
    path, places = path_of(name), asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(what: str, body: str, field: str | None) -> str | None:
        async with places, asyncio.timeout(15):
            response = await stack.client.post(path, content=body.encode(), headers=JSON)
        found = problem(path, response, field)
        return f"{what}: {found}" if found else None

    return [found for found in await asyncio.gather(*(one(*body) for body in bodies)) if found]


@pytest_asyncio.fixture(loop_scope="module")
async def answering(stack: Stack) -> Stack:
    stack.main.answers(answer)
    return stack


@pytest.mark.parametrize("type_", ["OpenAI", "Anthropic"])
@NAMES
async def test_gateway_names_the_field_with_an_odd_value(answering: Stack, name: str, type_: str) -> None:
    stack = answering
    if type_ == "Anthropic":
        await stack.reconfigure(providers=[provider("main", stack.main.base_url, type="Anthropic")], models=["main"])
    made = variants(BODIES[name], seed=name, most=MOST)
    found = await problems(stack, name, [(what, body, re.split("[. ]", what)[0]) for what, body in made])
    assert not found, "\n".join(found)


@NAMES
async def test_gateway_names_a_missing_field(answering: Stack, name: str) -> None:
    for field in REQUIRED[name]:
        body = {key: value for key, value in BODIES[name].items() if key != field}
        response = await answering.post(path_of(name), body)
        assert response.status_code == 400, (field, response.text)
        assert not (found := problem(path_of(name), response, field)), found


@NAMES
async def test_gateway_names_the_field_with_an_unknown_role_or_type(answering: Stack, name: str) -> None:
    bodies = list(unknown_kinds(name))
    found = await problems(answering, name, [(body, body, field) for field, body in bodies])
    assert not found, "\n".join(found)


@NAMES
async def test_gateway_answers_a_body_with_repeated_keys_or_rejects_it(answering: Stack, name: str) -> None:
    found = await problems(answering, name, [(body, body, None) for body in repeated_keys(name)])
    assert not found, "\n".join(found)


WHOLE = {
    "empty": b"",
    "null": b"null",
    "array": b"[]",
    "text": b'"hi"',
    "cut": b'{"model": "main"',
    "deep": b'{"model":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "latin-1": '{"model": "é"}'.encode("latin-1"),
    "trailing": b'{"model": "main"} x',
    "form": b"model=main&prompt=hi",
}


@pytest.mark.parametrize("what", WHOLE)
async def test_gateway_rejects_what_is_no_json_object_at_every_endpoint(answering: Stack, what: str) -> None:
    for path in map(path_of, BODIES):
        response = await answering.client.post(path, content=WHOLE[what], headers=JSON)
        assert response.status_code == 400, (path, response.text)
        assert not (found := problem(path, response, None)), (path, found)


@pytest.mark.parametrize("type_", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x", ""])
@NAMES
async def test_gateway_reads_json_whatever_the_content_type(answering: Stack, name: str, type_: str) -> None:
    """As OpenAI's API does: `curl -d` without a header sends a form's type."""
    content = json.dumps(BODIES[name]).encode()
    response = await answering.client.post(path_of(name), content=content, headers={"content-type": type_})
    assert response.status_code == 200, response.text


STORED_PATHS = (STORED, f"{STORED}/cancel", f"{STORED}/input_items", "/api/chat/chat-1/stream", "/api/chat/chat-1/stop")
PATHS = (*dict.fromkeys(map(path_of, BODIES)), *STORED_PATHS)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
async def test_gateway_answers_another_method_without_a_5xx(answering: Stack, path: str, method: str) -> None:
    response = await answering.client.request(method, path)
    if method == "HEAD":
        assert response.status_code in {204, 404, 405}
        assert not response.content
        return
    assert not (found := problem(path, response, None)), found
    if response.status_code == 405:
        assert response.headers["allow"]
        assert method not in response.headers["allow"].split(", ")


@NAMES
async def test_gateway_answers_a_path_with_a_trailing_slash(answering: Stack, name: str) -> None:
    response = await answering.post(f"{path_of(name)}/", BODIES[name])
    assert response.status_code in {200, 404}
    assert not (found := problem(path_of(name), response, None)), found


IDS = ("resp_x", "x", "resp_" + "0" * 4000, "%00", "resp_%f0%9f%98%80", "..", "%2e%2e", "resp_0123456789ABCDEF01234567")


@pytest.mark.parametrize("id_", IDS, ids=range(len(IDS)))
async def test_gateway_has_no_response_or_chat_of_an_odd_id(answering: Stack, id_: str) -> None:
    for method, path in (
        ("GET", f"/v1/responses/{id_}"),
        ("DELETE", f"/v1/responses/{id_}"),
        ("POST", f"/v1/responses/{id_}/cancel"),
        ("GET", f"/v1/responses/{id_}/input_items"),
        ("GET", f"/v1/streams/{id_}"),
        ("DELETE", f"/v1/streams/{id_}"),
        ("GET", f"/api/chat/{id_}/stream"),
        ("POST", f"/api/chat/{id_}/stop"),
    ):
        response = await answering.client.request(method, path)
        assert response.status_code in {204, 400, 404, 405}, (method, path, response.text)
        assert not (found := problem(path, response, None)), (method, path, found)


@pytest.mark.parametrize(
    ("path", "param"),
    [
        (f"{STORED}?stream=maybe", "stream"),
        (f"{STORED}?stream=true&starting_after=x", "starting_after"),
        (f"{STORED}?stream=true&starting_after=-1", "starting_after"),
        (f"{STORED}?stream=true&starting_after={2**70}", None),
        (f"{STORED}?starting_after=1", "starting_after"),
        (f"{STORED}/input_items?limit=0", "limit"),
        (f"{STORED}/input_items?limit=x", "limit"),
        (f"{STORED}/input_items?limit=1.5", "limit"),
        (f"{STORED}/input_items?limit={2**70}", "limit"),
        (f"{STORED}/input_items?order=up", "order"),
    ],
)
async def test_gateway_names_an_odd_query_parameter(answering: Stack, path: str, param: str | None) -> None:
    response = await answering.client.get(path)
    assert response.status_code in ({400} if param else {400, 404}), response.text
    assert not (found := problem(path, response, param)), found


STOPS: dict[str, Any] = {"number": 1, "list": [], "text": "x", "null": None, "unknown": {"a": {"b": [1]}}}


@pytest.mark.parametrize("what", STOPS)
async def test_gateway_answers_a_stop_with_any_body(answering: Stack, what: str) -> None:
    response = await answering.post("/api/chat/chat-1/stop", STOPS[what])
    assert response.status_code in {204, 400, 404}, response.text
    assert not (found := problem("/api/chat/chat-1/stop", response, None)), found
