"""The bodies of `useChat`: which dialect a body has, and the chat completion that UI messages become."""

import json
from typing import Any

import pytest

from penstock_contract.ai_sdk.ui_chat_body import UIChatBody, read_api_chat
from penstock_contract.errors import PenstockError

PNG = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0xLjQ="
HI: dict[str, Any] = {"id": "a", "role": "user", "parts": [{"type": "text", "text": "hi"}]}


def read(*messages: Any, **fields: Any) -> UIChatBody:
    body = {"id": "chat-1", "messages": list(messages), "trigger": "submit-message", **fields}
    found = read_api_chat(json.dumps(body).encode())
    assert found.simple is None
    assert found.ui is not None
    return found.ui


def mapped(*messages: Any, **fields: Any) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = json.loads(read(*messages, **fields).operation.body)["messages"]
    return made


def user(*parts: Any) -> dict[str, Any]:
    return {"id": "u", "role": "user", "parts": list(parts)}


def assistant(*parts: Any) -> dict[str, Any]:
    return {"id": "m1", "role": "assistant", "parts": list(parts)}


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def tool(state: str, name: str = "tool-weather", **fields: Any) -> dict[str, Any]:
    return {"type": name, "toolCallId": "call_1", "state": state, **fields}


def call(arguments: str, name: str = "weather") -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": function}]}


def output(content: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": "call_1", "content": content}


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def file(media: str, url: str, **fields: Any) -> dict[str, Any]:
    return {"type": "file", "mediaType": media, "url": url, **fields}


MAPPED: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "a text": ([HI], [{"role": "user", "content": "hi"}]),
    "several texts": (
        [user(text("a"), text("b"))],
        [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
    ),
    "a system message": (
        [{"role": "system", "parts": [text("Be "), text("brief.")]}, HI],
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
    ),
    "a picture without a text": (
        [user(file("image/png", PNG), text(""))],
        [{"role": "user", "content": [image(PNG)]}],
    ),
    "a picture's address": (
        [user(text("what?"), file("image/*", "https://example.com/a.png"))],
        [{"role": "user", "content": [{"type": "text", "text": "what?"}, image("https://example.com/a.png")]}],
    ),
    "a PDF": (
        [user(file("application/pdf", PDF, filename="a.pdf"))],
        [{"role": "user", "content": [{"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}}]}],
    ),
    "sound": (
        [user(file("audio/mpeg", "data:audio/mpeg;base64,AAAA"))],
        [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}]}],
    ),
    "a text file": (
        [user(file("text/plain; charset=utf-8", "data:text/plain;base64,R3LDvMOfZQ=="))],
        [{"role": "user", "content": "Grüße"}],
    ),
    "a text file that is not base64": (
        [user(file("text/csv", "data:text/csv,a%2Cb%0A1%2C2"))],
        [{"role": "user", "content": "a,b\n1,2"}],
    ),
    "parts of the page": (
        [user(text("hi"), {"type": "data-place", "data": 1}, {"type": "source-url", "sourceId": "s", "url": "x"})],
        [{"role": "user", "content": "hi"}],
    ),
    "an answer": (
        [HI, assistant({"type": "step-start"}, {"type": "reasoning", "text": "hm"}, text("Hel"), text("lo")), HI],
        [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "Hello", "reasoning_content": "hm"},
            {"role": "user", "content": "hi"},
        ],
    ),
    "a tool's output, and the answer after it": (
        [
            HI,
            assistant(
                {"type": "step-start"},
                tool("output-available", input={"city": "Rome"}, output={"sky": "clear"}),
                {"type": "step-start"},
                text("Sunny."),
            ),
            HI,
        ],
        [
            {"role": "user", "content": "hi"},
            call('{"city": "Rome"}'),
            output('{"sky": "clear"}'),
            {"role": "assistant", "content": "Sunny."},
            {"role": "user", "content": "hi"},
        ],
    ),
    "a text beside a call": (
        [HI, assistant(text("One moment."), tool("output-available", input={}, output="clear"))],
        [{"role": "user", "content": "hi"}, {**call("{}"), "content": "One moment."}, output("clear")],
    ),
    "a dynamic tool": (
        [HI, assistant(tool("output-available", "dynamic-tool", toolName="f", input={}, output=1.5))],
        [{"role": "user", "content": "hi"}, call("{}", "f"), output("1.5")],
    ),
    "an output of nothing": (
        [HI, assistant(tool("output-available", input={}))],
        [{"role": "user", "content": "hi"}, call("{}"), output("null")],
    ),
    "a tool that failed": (
        [HI, assistant(tool("output-error", rawInput='{"city', errorText="no JSON"))],
        [{"role": "user", "content": "hi"}, call('{"city'), output("no JSON")],
    ),
    "a tool that the user denied": (
        [HI, assistant(tool("output-denied", input={}, approval={"id": "p", "approved": False}))],
        [{"role": "user", "content": "hi"}, call("{}"), output("Tool call execution denied.")],
    ),
    "a denial with a reason": (
        [HI, assistant(tool("approval-responded", input={}, approval={"id": "p", "approved": False, "reason": "no"}))],
        [{"role": "user", "content": "hi"}, call("{}"), output("no")],
    ),
    "a signed reasoning": (
        [
            HI,
            assistant(
                {
                    "type": "reasoning",
                    "text": "hm",
                    "providerMetadata": {"penstock": {"reasoningDetails": [{"signature": "s"}]}, "other": {}},
                },
                text("Hi"),
            ),
        ],
        [
            {"role": "user", "content": "hi"},
            {
                "role": "assistant",
                "content": "Hi",
                "reasoning_content": "hm",
                "reasoning_details": [{"signature": "s"}],
            },
        ],
    ),
}


@pytest.mark.parametrize("case", MAPPED)
def test_ui_chat_body_becomes_a_conversation_in_openais_form(case: str) -> None:
    messages, expected = MAPPED[case]

    assert mapped(*messages) == expected


IGNORED: dict[str, tuple[dict[str, Any], str]] = {
    "a call without an output": (tool("input-available", input={}), "messages.parts.tool"),
    "a call that is not whole": (tool("input-streaming"), "messages.parts.tool"),
    "a call that waits for an approval": (
        tool("approval-requested", input={}, approval={"id": "p"}),
        "messages.parts.tool",
    ),
    "an approved call": (
        tool("approval-responded", input={}, approval={"id": "p", "approved": True}),
        "messages.parts.tool",
    ),
    "a picture of an answer": (file("image/png", PNG), "messages.parts.file"),
    "a reasoning without an answer": ({"type": "reasoning", "text": "hm"}, "messages.parts.reasoning"),
}


@pytest.mark.parametrize("case", IGNORED)
def test_ui_chat_body_names_what_is_not_sent_to_the_model(case: str) -> None:
    part, name = IGNORED[case]

    found = read(HI, assistant(part), HI)

    assert found.ignored == (name,)
    assert [message["role"] for message in json.loads(found.operation.body)["messages"]] == ["user", "user"]


REFUSED: dict[str, tuple[list[Any], dict[str, Any], str]] = {
    "no messages": ([], {}, "messages"),
    "a message without parts": ([{"role": "user", "content": "hi"}], {}, "messages[0].parts"),
    "an unknown role": ([{"role": "tool", "parts": []}], {}, "messages[0].role"),
    "a text part without a text": ([user({"type": "text"})], {}, "messages[0].parts[0].text"),
    "a user's message of the page alone": ([user({"type": "data-x", "data": 1})], {}, "messages[0].parts"),
    "an unknown part": ([user({"type": "video", "url": "x"})], {}, "messages[0].parts[0].type"),
    "a video": ([user(file("video/mp4", "data:video/mp4;base64,AA"))], {}, "messages[0].parts[0].mediaType"),
    "a file without a type": ([user({"type": "file", "url": PNG})], {}, "messages[0].parts[0].mediaType"),
    "a picture at a plain address": ([user(file("image/png", "http://a/b"))], {}, "messages[0].parts[0].url"),
    "a picture of the page": ([user(file("image/png", "blob:x"))], {}, "messages[0].parts[0].url"),
    "a PDF's address": ([user(file("application/pdf", "https://a/b"))], {}, "messages[0].parts[0].url"),
    "a text file of other bytes": (
        [user(file("text/plain", "data:text/plain;base64,/w=="))],
        {},
        "messages[0].parts[0].url",
    ),
    "a call without an id": (
        [HI, assistant({"type": "tool-f", "state": "output-available", "output": 1})],
        {},
        "messages[1].parts[0].toolCallId",
    ),
    "only what the page shows": ([assistant({"type": "data-x", "data": 1})], {}, "messages"),
    "no stream": ([HI], {"stream": False}, "stream"),
    "another trigger": ([HI], {"trigger": "resume"}, "trigger"),
    "a setting out of its range": ([HI], {"temperature": 3}, "temperature"),
    "tools of another shape": ([HI], {"tools": {"f": 1}}, "tools"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_ui_chat_body_refuses_and_names_the_field(case: str) -> None:
    messages, fields, param = REFUSED[case]

    with pytest.raises(PenstockError) as error:
        read(*messages, **fields)

    assert error.value.code == "invalid_request"
    assert (error.value.detail.param or "").startswith(param), error.value.detail


def test_ui_chat_body_passes_settings_and_keeps_the_pages_fields() -> None:
    tools = {"weather": {"description": "d", "inputSchema": {"type": "object", "maximum": 2**70}}}

    found = read(HI, model="gpt", system="Be brief.", tools=tools, temperature=0.5, messageId="m", top_k=4)

    body = json.loads(found.operation.body)
    function = {"name": "weather", "description": "d", "parameters": {"type": "object", "maximum": 2**70}}
    assert body == {
        "model": "gpt",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
        "tools": [{"type": "function", "function": function}],
        "temperature": 0.5,
        "top_k": 4,
    }
    assert (found.model, found.chat_id, set(found.fields)) == ("gpt", "chat-1", set(body))


def test_ui_chat_body_continues_the_answer_that_is_the_last_message() -> None:
    assert read(HI, assistant(tool("output-available", input={}, output=1))).answer_id == "m1"
    assert read(HI).answer_id is None


def test_ui_chat_body_counts_pictures_as_a_chat_completion_does() -> None:
    large = "data:image/png;base64," + "A" * 100_000

    assert read(user(file("image/png", large))).operation.input_tokens < 1_000


def test_api_chat_body_without_parts_is_of_the_simple_dialect() -> None:
    found = read_api_chat(b'{"messages":[{"role":"user","content":"hi"}]}')

    assert found.ui is None
    assert found.simple is not None
    assert found.simple.messages[0].content == "hi"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"messages":[{"role":"user","content":"hi"}],"temperature":1}', "temperature"),
        (b'{"messages":[{"role":"user"}]}', "messages[0].content"),
        (b'{"messages":"hi"}', "messages"),
        (b"{}", "messages"),
    ],
)
def test_api_chat_body_of_the_simple_dialect_is_refused_as_before(body: bytes, param: str) -> None:
    with pytest.raises(PenstockError) as error:
        read_api_chat(body)

    assert error.value.detail.param == param
