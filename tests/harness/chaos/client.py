"""One client's request of a chaos run, and how it ended, judged by the bytes that the client read."""

import asyncio
import json
import random
import re
import time
from dataclasses import dataclass
from typing import Any, Literal

import httpx
from harness.chaos.provider import prompt
from harness.route_spec import chat, completion

Endpoint = Literal["simple", "stream", "whole"]
End = Literal[
    "complete",
    "error event",
    "http error",
    "cut",
    "left",
    "refused",
    "silent truncation",
    "hang",
    "double end",
    "wrong token",
]
TOKEN = re.compile(r"(\d+)\.(\d+)\.(\d+) ")


@dataclass
class Outcome:
    """`code` is an error's code; `status` an HTTP status, 0 without a response; `url` that of the gateway."""

    number: int
    tokens: int
    end: End
    status: int = 0
    code: str = ""
    request_id: str = ""
    detail: str = ""
    received: tuple[int, int] = (0, 0)
    """The provider's call that the tokens are of, and how many there were."""
    url: str = ""
    began_at: float = 0.0
    """Of `time.monotonic`."""


class ChaosClient:
    """Sends requests one at a time; `request` raises for no failure of the service."""

    def __init__(self, http: httpx.AsyncClient, dice: random.Random, hang_s: float) -> None:
        self._http = http
        self._dice = dice
        self._hang_s = hang_s

    async def request(self, url: str, number: int, tokens: int, *, hang_up: bool) -> Outcome:
        endpoint: Endpoint = self._dice.choices(("stream", "simple", "whole"), (6, 2, 2))[0]
        leave_after_s = self._dice.uniform(0, 1.5) if hang_up else None
        outcome = Outcome(number, tokens, "hang", url=url, began_at=time.monotonic())
        try:
            async with asyncio.timeout(self._hang_s):
                try:
                    async with asyncio.timeout(leave_after_s):
                        await self._request(url, endpoint, outcome)
                except TimeoutError:
                    outcome.end = "left"
        except TimeoutError:
            outcome.end = "hang"
        except (httpx.ConnectError, httpx.ConnectTimeout):
            outcome.end = "refused"
        except httpx.TransportError as error:
            # Before a status line a gateway that exits may reset the connection; after it the reset is visible as well.
            outcome.end = "cut" if outcome.status else "refused"
            outcome.detail = type(error).__name__
        return outcome

    async def _request(self, url: str, endpoint: Endpoint, outcome: Outcome) -> None:
        text = prompt(outcome.number, outcome.tokens)
        path = "/api/chat" if endpoint == "simple" else "/v1/chat/completions"
        body = chat(text) if endpoint == "simple" else completion(text, stream=endpoint == "stream")
        # The simple dialect needs the model's name as well: one route here has none to choose by.
        body["model"] = "main"
        async with self._http.stream("POST", url + path, json=body) as response:
            outcome.status = response.status_code
            outcome.request_id = response.headers.get("x-request-id", "")
            raw = b""
            try:
                async for piece in response.aiter_raw():
                    raw += piece
            except httpx.TransportError:
                _check_prefix(outcome, raw.decode(errors="replace"))
                if outcome.end == "wrong token":
                    return
                raise
        if response.status_code != 200:
            outcome.end, outcome.code = "http error", _code_of(raw)
        elif endpoint == "whole":
            self._judge_whole(outcome, raw)
        else:
            judge_stream(outcome, raw.decode(), simple=endpoint == "simple")

    def _judge_whole(self, outcome: Outcome, raw: bytes) -> None:
        text = json.loads(raw)["choices"][0]["message"]["content"]
        outcome.end = "complete" if _is_whole(outcome, text) else "wrong token"
        outcome.detail = "" if outcome.end == "complete" else text[:200]


def judge_stream(outcome: Outcome, body: str, *, simple: bool) -> None:
    """The outcome as a stream of a body that ended regularly."""
    *events, rest = body.split("\n\n")
    events = [event for event in events if not event.startswith(":")]
    ends = [index for index, event in enumerate(events) if _is_end(event)]
    if not ends:
        outcome.end, outcome.detail = "silent truncation", body[-200:]
        return
    if len(ends) > 1 or ends[0] != len(events) - 1 or rest:
        outcome.end, outcome.detail = "double end", body[-400:]
        return
    text = "".join(_text_of(event, simple=simple) for event in events[:-1])
    finishes = 0 if simple else sum(_finishes(event) for event in events[:-1])
    if finishes > 1 or (finishes and events[-1] != "data: [DONE]"):
        outcome.end, outcome.detail = "double end", body[-400:]
        return
    if events[-1] == "data: [DONE]" and not (simple or finishes):
        outcome.end, outcome.detail = "silent truncation", body[-400:]
        return
    if events[-1] == "data: [DONE]":
        outcome.end = "complete" if _is_whole(outcome, text) else "wrong token"
        outcome.detail = "" if outcome.end == "complete" else text[:200]
        return
    outcome.end = "error event"
    outcome.code = _code_of(events[-1].split("data: ", 1)[1].encode())
    _check_prefix(outcome, text)


def _finishes(event: str) -> int:
    return sum(bool(choice.get("finish_reason")) for choice in json.loads(event.removeprefix("data: "))["choices"])


def _is_end(event: str) -> bool:
    return event == "data: [DONE]" or event.startswith(("event: error", 'data: {"error"'))


def _text_of(event: str, *, simple: bool) -> str:
    value: dict[str, Any] = json.loads(event.removeprefix("data: "))
    if simple:
        return str(value["text"])
    return "".join(choice["delta"].get("content") or "" for choice in value["choices"])


def _is_whole(outcome: Outcome, text: str) -> bool:
    """True if the text is that of one call, from its first token to its last."""
    call = TOKEN.match(text)
    if call is None:
        return False
    outcome.received = (int(call[2]), outcome.tokens)
    return text == "".join(f"{outcome.number}.{call[2]}.{index} " for index in range(outcome.tokens))


def _check_prefix(outcome: Outcome, text: str) -> None:
    """A broken answer must be the beginning of one call's."""
    found = TOKEN.findall(text)
    expected = [(str(outcome.number), found[0][1], str(index)) for index in range(len(found))] if found else []
    if found:
        outcome.received = (int(found[0][1]), len(found))
    if found != expected:
        outcome.end, outcome.detail = "wrong token", text[:200]


def _code_of(raw: bytes) -> str:
    try:
        return str(json.loads(raw)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return "?"
