"""Field names of a chat completion as a client of the Responses API has them. Pure."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from penstock_contract.errors import PenstockError

RESPONSES_NAMES: Final = {
    "messages": "input",
    "max_completion_tokens": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
    "verbosity": "text.verbosity",
}


def responses_name(name: str) -> str:
    """The name of a chat completion's field, or of a path that begins with it.

    A path inside the messages is cut: a message has no place in the client's input.
    """
    head = name.partition(".")[0].partition("[")[0]
    if head not in RESPONSES_NAMES:
        return name
    return RESPONSES_NAMES[head] + ("" if head == "messages" else name[len(head) :])


def ignored_name(name: str) -> str:
    """The name of a field, or of one inside messages, that a provider was not sent: without the place in the input."""
    head, _, rest = name.partition(".")
    return f"{RESPONSES_NAMES.get(head, head)}.{rest}" if rest else RESPONSES_NAMES.get(head, head)


@contextmanager
def responses_errors() -> Iterator[None]:
    """Give errors that name a field of the chat completion the name that the client has sent."""
    try:
        yield
    except PenstockError as error:
        detail = error.detail
        if detail.param is None or (param := responses_name(detail.param)) == detail.param:
            raise
        message = detail.message
        if message.startswith(f"{detail.param}:"):
            message = param + message[len(detail.param) :]
        raise PenstockError(detail.code, message, param=param, retry_after_s=detail.retry_after_s) from None
