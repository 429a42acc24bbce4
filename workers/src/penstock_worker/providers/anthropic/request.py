"""The fields of a chat request that the Anthropic adapter translates. All others were refused or left out before."""

from typing import Any

from msgspec import Struct

Json = dict[str, Any]


class Url(Struct):
    url: str


class File(Struct):
    file_data: str | None = None
    filename: str | None = None


class Part(Struct):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: Url | str | None = None
    file: File | None = None
    cache_control: Json | None = None


class ClientFunction(Struct):
    """`arguments` is JSON text, as OpenAI has it; some clients send the object itself, or nothing."""

    name: str
    arguments: str | Json | None = None


class ClientToolCall(Struct):
    id: str | None = None
    type: str | None = None
    function: ClientFunction | None = None


class ClientMessage(Struct):
    role: str
    content: str | list[Part] | None = None
    tool_calls: list[ClientToolCall] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    reasoning_details: list[Json] | None = None
    """In OpenRouter's form; a block of thinking each."""
    cache_control: Json | None = None


class Definition(Struct):
    name: str
    description: str | None = None
    parameters: Json | None = None
    strict: bool | None = None
    cache_control: Json | None = None


class ClientTool(Struct):
    type: str = "function"
    function: Definition | None = None
    cache_control: Json | None = None


class Named(Struct):
    name: str


class ToolChoice(Struct):
    type: str = "function"
    function: Named | None = None


class ClientJsonSchema(Struct):
    schema: Json | None = None


class Format(Struct):
    type: str
    json_schema: ClientJsonSchema | None = None
    schema: Json | None = None


class ClientChatRequest(Struct):
    messages: list[ClientMessage]
    max_tokens: float | None = None
    max_completion_tokens: float | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    stop: str | list[str] | None = None
    tools: list[ClientTool] | None = None
    tool_choice: str | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: Format | None = None
    reasoning_effort: str | None = None
    thinking: Json | None = None
    output_config: Json | None = None
    cache_control: Json | None = None
    context_management: Json | None = None
    modalities: list[str] | None = None
    user: str | None = None
