"""`encrypted_content` of a reasoning item: what a provider must get back unchanged, as Anthropic's signatures.

OpenAI's text is opaque to its clients, and so is this. It is no secret: the client has sent the prompt and has read the
answer. A prefix distinguishes it from another server's text, which no provider here could read. Pure.
"""

import base64
import binascii
from typing import Any, Final

import msgspec

from penstock_contract.codec import UNREADABLE
from penstock_contract.request.json_body import invalid

MARK: Final = "penstock1."

_decode = msgspec.json.Decoder(list[dict[str, Any]]).decode


def sealed(details: list[dict[str, Any]]) -> str:
    """The text for a reasoning item's `reasoning_details` in the chat dialect."""
    return MARK + base64.b64encode(msgspec.json.encode(details)).decode()


def unsealed(text: Any, path: str) -> list[dict[str, Any]]:
    """The details of a text that `sealed` made. Raises `invalid_request` for another text."""
    if not isinstance(text, str) or not text.startswith(MARK):
        raise invalid("not from this API, and no provider here could read it; leave the reasoning item out", path)
    try:
        return _decode(base64.b64decode(text[len(MARK) :], validate=True))
    except (binascii.Error, *UNREADABLE, msgspec.ValidationError):
        raise invalid("damaged; send it as it was received, or leave the reasoning item out", path) from None
