"""Claude Code's requests as recorded, without its prompts, and the model that answered them.

`make record-claude-code` runs the real program and writes the recordings; `tests/integration/test_claude_code.py` sends
them again. A recording is one session on a route of one provider dialect: a turn in which the model calls `Read`,
and the turn after the tool. Lines of JSON, each an `Exchange`.
"""

import json
import re
from pathlib import Path
from typing import Any, Final

from harness.provider_answers import DONE, data, delta, finish, json_answer, stream, usage
from harness.provider_call import Answer, Call
from harness.stack import Stack
from msgspec import Struct

FOLDER: Final = Path(__file__).parents[1] / "integration" / "claude_code"
DIALECTS: Final = {"anthropic": "Anthropic", "openai": "OpenAI"}
"""The type of the provider, by the name of the recording."""
PROJECT: Final = "/project"
FILE: Final = "notes.txt"
PROMPT: Final = f"How is the weather in Rome? Read {FILE}."
ANSWER: Final = "It is sunny in Rome."
TEXT_MAX: Final = 100
"""Longer texts of a request are Claude Code's own, and are left out of the recording."""
LEFT_OUT: Final = "…"
SENT: Final = ("accept", "content-type", "user-agent", "x-app", "x-stainless-", "anthropic-", "x-claude-code-")
"""Headers that are recorded."""
CHANGING: Final = re.compile(r"(?<=\"id\":\")(?:msg|chatcmpl|req)[_-][^\"]+|(?<=\"created\":)\d+")


class Exchange(Struct, frozen=True):
    """A request, the body that the provider got for it, and the client's answer; `upstream` is None without a call."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any] | None
    status: int
    upstream: dict[str, Any] | None
    answer: str


def neutral(value: Any, project: str, key: str = "") -> Any:
    """A request's body without prompts, ids of the machine, and the paths of its project."""
    if isinstance(value, dict):
        return {name: neutral(each, project, name) for name, each in value.items()}
    if isinstance(value, list):
        return [neutral(each, project) for each in value]
    if not isinstance(value, str):
        return value
    if key == "user_id":
        return json.dumps(dict.fromkeys(json.loads(value), LEFT_OUT), ensure_ascii=False)
    if value.startswith("<system-reminder>"):
        return f"<system-reminder>\n{LEFT_OUT}\n</system-reminder>\n"
    if key == "description" or len(value) > TEXT_MAX or value.startswith(("x-anthropic-", "You are ")):
        return LEFT_OUT
    return value.replace(project, PROJECT)


def neutral_headers(headers: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in headers.items() if name.startswith(SENT)}
    return {name: LEFT_OUT.encode().hex() if name.endswith("-id") else value for name, value in kept.items()}


def settled(answer: str) -> str:
    """An answer without what differs at each run."""
    return CHANGING.sub("ID", answer)


def recorded(name: str) -> list[Exchange]:
    lines = (FOLDER / f"{name}.jsonl").read_text("utf-8").splitlines()
    return [Exchange(**json.loads(line)) for line in lines]


async def replayed(stack: Stack, exchange: Exchange) -> Exchange:
    """The exchange as it is today, through route "main"."""
    before = len(stack.main.calls)
    body = None if exchange.body is None else json.dumps(exchange.body, ensure_ascii=False).encode()
    response = await stack.client.request(exchange.method, exchange.path, content=body, headers=exchange.headers)
    calls = stack.main.calls[before:]
    return Exchange(
        exchange.method,
        exchange.path,
        exchange.headers,
        exchange.body,
        response.status_code,
        calls[0].body if calls else None,
        settled(response.text),
    )


def model(name: str, project: str = PROJECT) -> Answer:
    """The model of a recording, which calls `Read` once and then answers."""
    answers = {"anthropic": _anthropic, "openai": _openai}
    arguments = json.dumps({"file_path": f"{project}/{FILE}"})

    async def answer(call: Call) -> None:
        if call.path.endswith("/count_tokens"):
            await json_answer({"input_tokens": 11})(call)
        else:
            await stream(*answers[name](call.body, arguments))(call)

    return answer


def _openai(body: dict[str, Any], arguments: str) -> list[bytes]:
    if any(message["role"] == "tool" for message in body["messages"]):
        return [delta(content=ANSWER), finish(), usage(11, 5), DONE]
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "Read", "arguments": arguments}}
    thought, text = delta(reasoning_content="Let me think."), delta(content="I read the file.")
    return [thought, text, delta(tool_calls=[call]), finish("tool_calls"), usage(11, 5), DONE]


def _anthropic(body: dict[str, Any], arguments: str) -> list[bytes]:
    last = body["messages"][-1]["content"]
    after_tool = isinstance(last, list) and any(block["type"] == "tool_result" for block in last)
    thought = {"type": "thinking", "thinking": "", "signature": ""}
    thoughts = [
        {"type": "thinking_delta", "thinking": "Let me think."},
        {"type": "signature_delta", "signature": "c2lnbmF0dXJl"},
    ]
    said = {"type": "text_delta", "text": ANSWER if after_tool else "I read the file."}
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = [
        (thought, thoughts),
        ({"type": "text", "text": ""}, [said]),
    ]
    if not after_tool:
        tool = {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {}}
        blocks.append((tool, [{"type": "input_json_delta", "partial_json": arguments}]))
    start = {"id": "msg_p", "type": "message", "role": "assistant", "model": "claude-p", "content": []}
    pieces = [_event("message_start", message={**start, "usage": {"input_tokens": 11, "output_tokens": 1}})]
    for index, (block, deltas) in enumerate(blocks):
        pieces.append(_event("content_block_start", index=index, content_block=block))
        pieces += [_event("content_block_delta", index=index, delta=each) for each in deltas]
        pieces.append(_event("content_block_stop", index=index))
    reason = "end_turn" if after_tool else "tool_use"
    ended = {"stop_reason": reason, "stop_sequence": None}
    return [*pieces, _event("message_delta", delta=ended, usage={"output_tokens": 5}), _event("message_stop")]


def _event(type_: str, **fields: Any) -> bytes:
    return data({"type": type_, **fields})
