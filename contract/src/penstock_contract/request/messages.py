"""A conversation in OpenAI's fields, from which the request of every other provider can be made."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Role = Literal["developer", "system", "user", "assistant", "tool"]


class TextPart(Struct, frozen=True, tag="text"):
    text: str


class ImageUrl(Struct, frozen=True, omit_defaults=True):
    """`url` is https or a `data:` URL."""

    url: str
    detail: str | None = None


class ImagePart(Struct, frozen=True, tag="image_url"):
    image_url: ImageUrl


class RefusalPart(Struct, frozen=True, tag="refusal"):
    refusal: str


Part = TextPart | ImagePart | RefusalPart


class FunctionCall(Struct, frozen=True):
    """`arguments` is JSON text as the model wrote it, which need not be valid JSON."""

    name: str
    arguments: str


class ToolCall(Struct, frozen=True):
    id: str
    function: FunctionCall
    type: Literal["function"] = "function"


class Message(Struct, frozen=True, omit_defaults=True):
    """`refusal` and `reasoning_content` are an assistant's earlier ones: some models require them."""

    role: Role
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None


FunctionName = Annotated[str, Meta(min_length=1, max_length=256)]


class FunctionDefinition(Struct, frozen=True, omit_defaults=True):
    """`parameters` is a JSON Schema."""

    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Struct, frozen=True):
    function: FunctionDefinition
    type: Literal["function"] = "function"


class NamedFunction(Struct, frozen=True):
    name: str


class NamedToolChoice(Struct, frozen=True):
    function: NamedFunction
    type: Literal["function"] = "function"


ToolChoice = Literal["none", "auto", "required"] | NamedToolChoice


class JsonSchema(Struct, frozen=True, omit_defaults=True):
    name: str
    schema: dict[str, Any] | None = None
    description: str | None = None
    strict: bool | None = None


class ResponseFormat(Struct, frozen=True, omit_defaults=True):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | UnsetType = UNSET
