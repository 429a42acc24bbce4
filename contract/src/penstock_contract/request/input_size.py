"""Estimates the tokens of a request's input: the bytes that are sent, divided by four.

One number per request, made where its body is read. Limits, the charge up front and the row of a request without the
provider's count all use it. Files that are sent as base64 have rules of their own, as a provider does not read them as
text. Pure.
"""

from typing import Final

BYTES_PER_TOKEN_IN: Final = 4
TOKENS_PER_IMAGE: Final = 765
"""OpenAI's price of a picture of 1024 by 1024 in full detail."""
FILE_BYTES_PER_TOKEN: Final = 32
"""Of base64: about 1 500 tokens for a PDF's page of 36 kB. A file counts as a picture at least."""
MEDIA_BYTES_PER_TOKEN: Final = 256
"""Of base64, of sound or video: 30 to 40 tokens for a second at 64 kbit/s. It counts as a picture at least."""
ESCAPE_SURPLUS: Final = 3
r"""A `\uXXXX` escape is six bytes for a character of three (or two, or half of one of four)."""


def text_tokens(size: int) -> int:
    return -(-size // BYTES_PER_TOKEN_IN)


def text_bytes(body: bytes) -> int:
    r"""The size of JSON with its `\uXXXX` escapes as UTF-8, and never less than that.

    A backslash before the escape makes it no escape: those are not taken off, three backslashes included.
    """
    escapes = body.count(b"\\u")
    return len(body) - ESCAPE_SURPLUS * (escapes - body.count(b"\\\\u")) if escapes else len(body)


def file_tokens(size: int) -> int:
    return max(TOKENS_PER_IMAGE, size // FILE_BYTES_PER_TOKEN)


def media_tokens(size: int) -> int:
    return max(TOKENS_PER_IMAGE, size // MEDIA_BYTES_PER_TOKEN)
