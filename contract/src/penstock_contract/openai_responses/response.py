"""A response as the Responses API answers it. All keys are always there, as strict clients require."""

from typing import Any, Literal

from msgspec import Struct, field

from penstock_contract.openai_responses.output_items import OutputItem
from penstock_contract.openai_responses.request import ResponseRequest

ResponseStatus = Literal["completed", "failed", "in_progress", "cancelled", "queued", "incomplete"]
TEXT_FORMAT = {"format": {"type": "text"}}


class ResponseFailure(Struct, frozen=True):
    """`code` is one of OpenAI's; the message is the one of docs/reference/errors.md."""

    code: Literal["server_error", "rate_limit_exceeded", "invalid_prompt"]
    message: str


class IncompleteDetails(Struct, frozen=True):
    reason: Literal["max_output_tokens", "content_filter"]


class InputTokensDetails(Struct, frozen=True):
    cached_tokens: int = 0
    cache_write_tokens: int = 0


class OutputTokensDetails(Struct, frozen=True):
    reasoning_tokens: int = 0


class ResponseUsage(Struct, frozen=True):
    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class ResponseObject(Struct, frozen=True, kw_only=True, tag_field="object", tag="response"):
    """Settings that the request left out have the API's defaults. `completed_at` is known for whole answers only."""

    id: str
    created_at: int
    status: ResponseStatus
    model: str
    output: list[OutputItem] = []
    error: ResponseFailure | None = None
    incomplete_details: IncompleteDetails | None = None
    usage: ResponseUsage | None = None
    completed_at: int | None = None
    background: bool = False
    instructions: str | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    metadata: dict[str, str] = {}
    parallel_tool_calls: bool = True
    previous_response_id: str | None = None
    prompt_cache_key: str | None = None
    reasoning: dict[str, Any] = field(default_factory=lambda: {"effort": None, "summary": None})
    safety_identifier: str | None = None
    service_tier: str = "default"
    store: bool = False
    temperature: float = 1.0
    text: dict[str, Any] = field(default_factory=lambda: TEXT_FORMAT)
    tool_choice: str | dict[str, Any] = "auto"
    tools: list[dict[str, Any]] = []
    top_logprobs: int = 0
    top_p: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    truncation: Literal["auto", "disabled"] = "disabled"
    user: str | None = None


class InputTokensCount(Struct, frozen=True, tag_field="object", tag="response.input_tokens"):
    """Our own estimate, which limits and budgets use: providers count only what they are sent."""

    input_tokens: int


class DeletedResponse(Struct, frozen=True):
    """`DELETE /v1/responses/{id}`: nothing of the response is kept."""

    id: str
    object: Literal["response"] = "response"
    deleted: Literal[True] = True


class InputItems(Struct, frozen=True):
    """`GET /v1/responses/{id}/input_items`."""

    data: list[dict[str, Any]]
    first_id: str | None
    last_id: str | None
    has_more: bool
    object: Literal["list"] = "list"


def begun(id_: str, created_at: int, request: ResponseRequest, *, store: bool) -> ResponseObject:
    """The response of a request before its first output: its settings are repeated in it."""
    reasoning, text = request.reasoning, request.text
    given: dict[str, Any] = {
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": request.max_tool_calls,
        "metadata": request.metadata,
        "parallel_tool_calls": request.parallel_tool_calls,
        "previous_response_id": request.previous_response_id,
        "prompt_cache_key": request.prompt_cache_key,
        "safety_identifier": request.safety_identifier,
        "service_tier": None if request.service_tier == "auto" else request.service_tier,
        "temperature": request.temperature,
        "tool_choice": request.tool_choice,
        "tools": None if request.tools is None else [_tool(tool) for tool in request.tools],
        "top_p": request.top_p,
        "user": request.user,
    }
    if reasoning is not None:
        given["reasoning"] = {"effort": reasoning.effort, "summary": reasoning.summary or reasoning.generate_summary}
    if text is not None:
        format_: Any = TEXT_FORMAT["format"] if text.format is None else text.format
        given["text"] = {"format": format_, **({"verbosity": text.verbosity} if text.verbosity else {})}
    return ResponseObject(
        id=id_,
        created_at=created_at,
        status="in_progress",
        model=request.model,
        background=bool(request.background),
        store=store,
        **{name: value for name, value in given.items() if value is not None},
    )


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    """Keys that a client left out are null in the API's answers."""
    return {"type": "function", "description": None, "parameters": None, "strict": None, **tool}
