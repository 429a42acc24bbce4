"""Collects a whole answer of OpenAI's older Completions API, of a chat's collector of one choice or several."""

from typing import Any

import msgspec
from msgspec import UNSET

from penstock_contract.endpoint_responses import TextChoice, TextCompletion
from penstock_contract.stream.events import Event
from penstock_gateway.streaming.renderers.answer_fields import beside
from penstock_gateway.streaming.renderers.chat_collector import ChatCollector
from penstock_gateway.streaming.renderers.choices import ChoicesCollector
from penstock_gateway.streaming.renderers.completions.completion_stream import REASONS
from penstock_gateway.streaming.renderers.completions.text_logprobs import text_logprobs


class CompletionCollector:
    def __init__(self, choices: int, id_: str, created: int, model: str) -> None:
        self._chat = (
            ChatCollector(id_, created, model) if choices == 1 else ChoicesCollector(choices, id_, created, model)
        )

    def render(self, event: Event) -> bytes:
        return self._chat.render(event)

    def around_text(self) -> None:
        return None

    def completion(self) -> TextCompletion | dict[str, Any]:
        """The answer; a dictionary if it has fields without an event. Raises as the chat's collector does."""
        chat: dict[str, Any] = msgspec.to_builtins(self._chat.completion())
        choices = [_choice(choice) for choice in chat.pop("choices")]
        usage = chat.pop("usage", UNSET)
        made = TextCompletion(chat.pop("id"), chat.pop("created"), chat.pop("model"), choices)
        del chat["object"]
        return beside(msgspec.to_builtins(made), chat | ({"usage": usage} if usage is not UNSET else {}))


def _choice(choice: dict[str, Any]) -> TextChoice:
    message = choice["message"]
    text = (message["content"] or "") + (message["refusal"] or "")
    return TextChoice(text, choice["index"], text_logprobs(choice.get("logprobs"), 0), REASONS[choice["finish_reason"]])
