"""Parses answers of Cloudflare Workers AI: its own shapes are rewritten to OpenAI's and read by that parser.

Newer models answer with OpenAI's chunks at the same URL. `finish_reason` is often absent, so `[DONE]` is the proof that
an answer is whole. A body may be one JSON object, `{"result": …, "success": true}`.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from penstock_contract.codec import UNREADABLE
from penstock_contract.stream.events import Event
from penstock_contract.stream.sse import EventTooLarge, SseDecoder
from penstock_worker.providers.failure.provider_failure import failure, failure_of_error
from penstock_worker.providers.openai.embeddings_parser import EMBEDDINGS_BYTES_MAX, EmbeddingsParser
from penstock_worker.providers.openai.parser import ChatParser

WHOLE_ANSWER_BYTES_MAX = 16 * 1024 * 1024


class WorkersAIChatParser:
    __slots__ = ("_begun", "_calls", "_chat", "_decoder", "_finished", "_whole")

    def __init__(self) -> None:
        self._decoder = SseDecoder()
        self._chat = ChatParser()
        self._begun = False
        self._whole: bytearray | None = None
        self._finished = False
        self._calls = 0

    @property
    def complete(self) -> bool:
        return self._chat.complete

    @property
    def progress(self) -> int:
        """Grows with the bytes of a whole answer."""
        return self._chat.progress + (len(self._whole) if self._whole is not None else 0)

    def feed(self, data: bytes) -> Sequence[Event]:
        if not self._begun and (first := data.lstrip()[:1]):
            self._begun = True
            if first == b"{":
                self._whole = bytearray()
        if self._whole is not None:
            self._whole += data
            if len(self._whole) > WHOLE_ANSWER_BYTES_MAX:
                raise failure("provider_stream_broken")
            return ()
        events: list[Event] = []
        try:
            for payload in self._decoder.payloads(data):
                if payload:
                    events += self._payload(payload)
        except (*UNREADABLE, EventTooLarge) as error:
            raise failure("provider_stream_broken") from error
        return events

    def piece_of_chunk(self, data: bytes) -> Event | None:  # noqa: ARG002
        return None

    def end(self) -> Sequence[Event]:
        if self._whole is None:
            return self._chat.end()
        try:
            answer = msgspec.json.decode(self._whole)
        except UNREADABLE as error:
            raise failure("provider_stream_broken") from error
        result = _result(answer)
        return [*self._native(result), *self._done()]

    def _payload(self, payload: bytes) -> Sequence[Event]:
        if payload[:1] == b"[":
            return self._done()
        chunk = msgspec.json.decode(payload)
        if not isinstance(chunk, dict):
            return ()
        if "choices" in chunk:
            self._finished = self._finished or b'"finish_reason":"' in payload.replace(b" ", b"")
            return self._chat.feed(b"data: " + payload + b"\n\n")
        return self._native(_result(chunk))

    def _native(self, chunk: dict[str, Any]) -> Sequence[Event]:
        delta: dict[str, Any] = {}
        text = chunk.get("response")
        if text is not None and text != "":
            # A model in JSON mode answers with the value itself.
            delta["content"] = text if isinstance(text, str) else msgspec.json.encode(text).decode()
        if calls := chunk.get("tool_calls"):
            delta["tool_calls"] = [self._tool_call(call) for call in calls if isinstance(call, dict)]
        choice = {"index": 0, "delta": delta, "finish_reason": chunk.get("finish_reason")}
        self._finished = self._finished or bool(choice["finish_reason"])
        return self._rewritten({"choices": [choice], "usage": chunk.get("usage")})

    def _tool_call(self, call: dict[str, Any]) -> dict[str, Any]:
        """A call of either shape: `{name, arguments}`, or OpenAI's with `function`."""
        nested = call.get("function")
        function: dict[str, Any] = nested if isinstance(nested, dict) else call
        arguments = function.get("arguments")
        text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments or {}).decode()
        index = call.get("index")
        if not isinstance(index, int):
            index, self._calls = self._calls, self._calls + 1
        return {"index": index, "id": call.get("id"), "function": {"name": function.get("name"), "arguments": text}}

    def _done(self) -> Sequence[Event]:
        events: list[Event] = []
        if not self._finished:
            reason = "tool_calls" if self._calls else "stop"
            events += self._rewritten({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        return [*events, *self._chat.feed(b"data: [DONE]\n\n")]

    def _rewritten(self, chunk: dict[str, Any]) -> Sequence[Event]:
        return self._chat.feed(b"data: " + msgspec.json.encode(chunk) + b"\n\n")


class WorkersAIEmbeddingsParser:
    """`{"result": {"shape": […], "data": [[…], …]}, "success": true}`"""

    __slots__ = ("_body", "_embeddings")

    def __init__(self) -> None:
        self._body = bytearray()
        self._embeddings = EmbeddingsParser()

    @property
    def complete(self) -> bool:
        return self._embeddings.complete

    @property
    def progress(self) -> int:
        return len(self._body)

    def feed(self, data: bytes) -> Sequence[Event]:
        self._body += data
        if len(self._body) > EMBEDDINGS_BYTES_MAX:
            raise failure("provider_stream_broken")
        return ()

    def piece_of_chunk(self, data: bytes) -> Event | None:  # noqa: ARG002
        return None

    def end(self) -> Sequence[Event]:
        try:
            result = _result(msgspec.json.decode(self._body))
        except UNREADABLE as error:
            raise failure("provider_stream_broken") from error
        vectors = result.get("data")
        if not isinstance(vectors, list):
            raise failure("provider_stream_broken")
        data = [{"index": index, "embedding": vector} for index, vector in enumerate(vectors)]
        rewritten = {"data": data, **({"usage": result["usage"]} if result.get("usage") else {})}
        self._embeddings.feed(msgspec.json.encode(rewritten))
        return self._embeddings.end()


def _result(answer: object) -> dict[str, Any]:
    """The answer itself, without the envelope that Cloudflare's API puts around whole answers.

    Raises what an envelope without success means.
    """
    if not isinstance(answer, dict):
        raise failure("provider_stream_broken")
    errors = answer.get("errors")
    if errors or answer.get("success") is False:
        first = errors[0] if isinstance(errors, list) and errors else None
        raise failure_of_error(first)
    result = answer.get("result")
    return result if isinstance(result, dict) else answer
