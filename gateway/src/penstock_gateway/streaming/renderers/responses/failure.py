"""An error and a count of tokens in the words of the Responses API."""

from penstock_contract.error_codes import ERRORS
from penstock_contract.errors import ErrorDetail
from penstock_contract.openai_responses.response import (
    InputTokensDetails,
    OutputTokensDetails,
    ResponseFailure,
    ResponseUsage,
)
from penstock_contract.openai_responses.stream_events import StreamError
from penstock_contract.stream.events import UsageReported


def failure_of(error: ErrorDetail) -> ResponseFailure:
    """OpenAI's list of codes is closed; ours is in the event before, and in HTTP responses."""
    status = ERRORS[error.code].status
    if status == 429:
        return ResponseFailure("rate_limit_exceeded", error.message)
    return ResponseFailure("invalid_prompt" if status == 400 else "server_error", error.message)


def stream_error(number: int, error: ErrorDetail) -> StreamError:
    inner = {
        "type": ERRORS[error.code].type,
        "code": error.code,
        "message": error.message,
        "param": error.param,
    }
    return StreamError(sequence_number=number, code=error.code, message=error.message, param=error.param, error=inner)


def usage_of(usage: UsageReported) -> ResponseUsage:
    return ResponseUsage(
        usage.input_tokens,
        InputTokensDetails(usage.cached_input_tokens, usage.cache_write_input_tokens),
        usage.output_tokens,
        OutputTokensDetails(usage.reasoning_tokens),
        usage.input_tokens + usage.output_tokens,
    )
