"""The body of `POST /v1/responses`, as OpenAI's SDKs send it."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from penstock_contract.request.operations import Fraction, ModelName, Temperature

ITEMS_MAX = 4096
Metadata = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)
]
Count = Annotated[int, Meta(ge=1, le=10_000_000)]
ResponseId = Annotated[str, Meta(min_length=1, max_length=128)]


class TextFormat(Struct, frozen=True, omit_defaults=True):
    """`name` and `schema` belong to `json_schema`."""

    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    schema: dict[str, Any] | None = None
    description: str | None = None
    strict: bool | None = None


class TextSettings(Struct, frozen=True, omit_defaults=True):
    format: TextFormat | None = None
    verbosity: str | None = None


class ReasoningSettings(Struct, frozen=True, omit_defaults=True):
    """With a `summary`, reasoning is sent as a summary, else as the model's own text."""

    effort: str | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None


class ObfuscationOptions(Struct, frozen=True):
    """Accepted and named in `x-penstock-ignored`: deltas are never padded."""

    include_obfuscation: bool | None = None


class ResponseRequest(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`POST /v1/responses`, and `…/input_tokens`, which counts its input.

    Tools are functions; hosted tools, stored prompts and conversations are refused.
    """

    model: ModelName
    input: str | Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=ITEMS_MAX)] | None = None
    instructions: str | None = None
    stream: bool | None = None
    stream_options: ObfuscationOptions | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: Count | None = None
    text: TextSettings | None = None
    reasoning: ReasoningSettings | None = None
    max_output_tokens: Count | None = None
    temperature: Temperature | None = None
    top_p: Fraction | None = None
    metadata: Metadata | None = None
    truncation: Literal["auto", "disabled"] | None = None
    include: list[str] | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: ResponseId | None = None
    service_tier: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None


class InputItemsQuery(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The page of `GET /v1/responses/{id}/input_items`: the items behind the one with the id `after`."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None
