"""Checks a request's head for framing that two servers could read differently (RFC 9112), and for unsupported codings.

Pure: its input is the parsed headers, with names in lower case. The parser itself rejects two lengths, a length beside
chunks, signs in lengths, folded headers and control characters.
"""

from collections.abc import Sequence

from penstock_contract.errors import ErrorDetail

Header = tuple[bytes, bytes]

HEADERS_MAX = 256
"""Clients send 10 to 30, proxies add a few. Each costs time in every layer that searches the headers."""


def too_many_headers() -> ErrorDetail:
    return ErrorDetail("headers_too_large", f"the request has more than {HEADERS_MAX} headers")


def problem_of(headers: Sequence[Header], version: str) -> ErrorDetail | None:
    """The error of a head that is rejected; None for one that is served."""
    hosts = 0
    codings: list[bytes] = []
    encoding = b""
    for name, value in headers:
        if name == b"host":
            hosts += 1
        elif name == b"transfer-encoding":
            codings += [coding.strip().lower() for coding in value.split(b",")]
        elif name == b"content-encoding":
            encoding = value.strip().lower()
    if hosts > 1 or (not hosts and version == "1.1"):
        # RFC 9112 §3.2.
        return ErrorDetail("invalid_request", f"the request has {hosts or 'no'} Host headers; send exactly one")
    if codings and (problem := _coding_problem(codings, version)):
        return problem
    if encoding not in {b"", b"identity"}:
        return ErrorDetail(
            "unsupported_content_encoding",
            "the body's Content-Encoding is not supported; send the JSON uncompressed, without this header",
        )
    return None


def _coding_problem(codings: list[bytes], version: str) -> ErrorDetail | None:
    """RFC 9112 §6.1: a body without a certain end is a 400, an unsupported coding with a certain end a 501."""
    if version == "1.0":
        return ErrorDetail("invalid_request", "Transfer-Encoding does not exist in HTTP/1.0; send Content-Length")
    if codings[-1] != b"chunked" or codings.count(b"chunked") > 1:
        return ErrorDetail("invalid_request", "Transfer-Encoding does not end with one 'chunked'; send 'chunked' alone")
    if len(codings) > 1:
        return ErrorDetail(
            "unsupported_transfer_coding", "of transfer codings only 'chunked' is supported; send 'chunked' alone"
        )
    return None
