"""Output items of a response: messages, function calls, reasoning. The fields are those that OpenAI's SDKs require."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

ItemStatus = Literal["in_progress", "completed", "incomplete"]


class OutputText(Struct, frozen=True, tag_field="type", tag="output_text"):
    text: str
    annotations: list[dict[str, Any]] = []
    logprobs: list[dict[str, Any]] = []


class OutputRefusal(Struct, frozen=True, tag_field="type", tag="refusal"):
    refusal: str


ContentPart = OutputText | OutputRefusal


class OutputMessage(Struct, frozen=True, tag_field="type", tag="message"):
    id: str
    status: ItemStatus
    content: list[ContentPart]
    role: Literal["assistant"] = "assistant"


class OutputFunctionCall(Struct, frozen=True, tag_field="type", tag="function_call"):
    """`call_id` is the provider's id of the call, which its result has to repeat."""

    id: str
    call_id: str
    name: str
    arguments: str
    status: ItemStatus


class SummaryText(Struct, frozen=True, tag_field="type", tag="summary_text"):
    text: str


class ReasoningText(Struct, frozen=True, tag_field="type", tag="reasoning_text"):
    text: str


class OutputReasoning(Struct, frozen=True, tag_field="type", tag="reasoning"):
    """`content` is the model's own text, `summary` a summary; a response has one of them."""

    id: str
    summary: list[SummaryText] = []
    content: list[ReasoningText] | UnsetType = UNSET
    encrypted_content: str | UnsetType = UNSET


OutputItem = OutputMessage | OutputFunctionCall | OutputReasoning
