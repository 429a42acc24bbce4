"""Features of the Responses API that this gateway lacks: refused by name. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from penstock_contract.request.json_body import Fields, invalid

NOTHING: Final = frozenset((b"null", b"false", b"[]", b"{}", b"0"))
REFUSED: Final = {
    "conversation": "conversations are not kept; use previous_response_id, or send the items in input",
    "prompt": "stored prompts are OpenAI's; write the text into instructions and input",
    "context_management": "the input is never compacted; send fewer items",
    "moderation": "answers are not moderated here; send the text to a moderation API",
    "top_logprobs": "an answer of this API has no log probabilities here; use /v1/chat/completions",
    "prompt_cache_options": "use prompt_cache_key",
    "messages": "this endpoint has input; use /v1/chat/completions for messages",
    "n": "this API has one answer; send several requests",
    "max_tokens": "this endpoint has max_output_tokens",
    "max_completion_tokens": "this endpoint has max_output_tokens",
    "response_format": "this endpoint has text.format",
    "reasoning_effort": "this endpoint has reasoning.effort",
    "verbosity": "this endpoint has text.verbosity",
    "functions": "use tools",
    "function_call": "use tool_choice",
    "logprobs": "an answer of this API has no log probabilities here; use /v1/chat/completions",
}
LOGPROBS: Final = "message.output_text.logprobs"
ENCRYPTED: Final = "reasoning.encrypted_content"
INCLUDED: Final = frozenset(
    (
        ENCRYPTED,
        # Input items are kept with their images, and what hosted tools would add is never there.
        "message.input_image.image_url",
        "file_search_call.results",
        "web_search_call.results",
        "web_search_call.action.sources",
        "computer_call_output.output.image_url",
        "code_interpreter_call.outputs",
    )
)


def check_fields(fields: Fields, values: Mapping[str, Any]) -> None:
    """Raise `invalid_request` for a field, or a value of one, that cannot be honoured."""
    for name, reason in REFUSED.items():
        if name in fields and bytes(fields[name]) not in NOTHING:
            raise invalid(f"not supported: {reason}", name)
    if values.get("truncation") == "auto":
        raise invalid("not supported: the input is never cut; send fewer items, or 'disabled'", "truncation")
    for index, name in enumerate(values.get("include") or ()):
        if name == LOGPROBS:
            raise invalid(f"not supported: {REFUSED['logprobs']}", f"include[{index}]")
        if name not in INCLUDED:
            raise invalid(f"unknown; this endpoint has {', '.join(sorted(INCLUDED))}", f"include[{index}]")
    if values.get("background") and values.get("store") is False:
        raise invalid("a background response is read later, so it has to be stored", "background")
