"""Answers of several choices (`n`) in OpenAI's dialect, of one renderer or collector for each choice."""

from typing import Any

import msgspec

from penstock_contract.endpoint_responses import ChatCompletion
from penstock_contract.stream.events import (
    AnswerFields,
    ChoiceFinished,
    ChoiceSwitched,
    Event,
    Failed,
    Finished,
    UsageReported,
)
from penstock_gateway.streaming.renderers.chat_collector import ChatCollector
from penstock_gateway.streaming.renderers.chat_stream import ChatStreamRenderer
from penstock_gateway.streaming.renderers.renderer import DONE


class ChoicesStreamRenderer:
    """Chunks of all choices, each with its index; one count and one end."""

    def __init__(self, choices: int, id_: str, created: int, model: str, *, include_usage: bool) -> None:
        self._renderers = [
            ChatStreamRenderer(id_, created, model, include_usage=include_usage, index=index)
            for index in range(choices)
        ]
        self._current = self._renderers[0]

    def render(self, event: Event) -> bytes:
        match event:
            case ChoiceSwitched():
                # A place beyond the request's would be a worker's fault, and must not fail the frame's other streams.
                self._current = self._renderers[event.index if 0 <= event.index < len(self._renderers) else 0]
                return b""
            case ChoiceFinished():
                return self._current.finish(event.reason)
            case AnswerFields(place="answer"):
                # Every chunk repeats them; one that is sent once is sent with the first choice.
                first, *_ = [renderer.render(event) for renderer in self._renderers]
                return first
            case UsageReported():
                return self._renderers[0].render(event)
            case Finished():
                return self._renderers[0].usage_chunk() + DONE
            case _:
                return self._current.render(event)

    def around_text(self) -> tuple[bytes, bytes] | None:
        return self._current.around_text()


class ChoicesCollector:
    """One whole completion of all choices that the provider sent."""

    def __init__(self, choices: int, id_: str, created: int, model: str) -> None:
        self._collectors = [ChatCollector(id_, created, model) for _ in range(choices)]
        self._current = 0
        self._present: set[int] = set()

    def render(self, event: Event) -> bytes:
        match event:
            case ChoiceSwitched():
                self._current = event.index if 0 <= event.index < len(self._collectors) else 0
            case ChoiceFinished():
                self._present.add(self._current)
                self._collectors[self._current].render(Finished(event.reason))
            case AnswerFields(place="answer") | UsageReported() | Failed():
                self._collectors[0].render(event)
            case Finished():
                pass
            case _:
                self._collectors[self._current].render(event)
        return b""

    def around_text(self) -> None:
        return None

    def completion(self) -> ChatCompletion | dict[str, Any]:
        """The answer, as `ChatCollector` gives it. Raises `PenstockError` if the stream failed midway."""
        answers = [msgspec.to_builtins(collector.completion()) for collector in self._collectors]
        whole: dict[str, Any] = answers[0]
        whole["choices"] = [{**answers[index]["choices"][0], "index": index} for index in sorted(self._present)]
        return whole
