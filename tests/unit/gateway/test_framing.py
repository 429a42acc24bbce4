"""Request heads that are rejected, and their status."""

import pytest

from penstock_gateway.server.framing import problem_of

HOST = (b"host", b"a")


@pytest.mark.parametrize(
    ("headers", "version", "code"),
    [
        ([HOST], "1.1", None),
        ([], "1.0", None),
        ([], "1.1", "invalid_request"),
        ([HOST, HOST], "1.0", "invalid_request"),
        ([HOST, (b"transfer-encoding", b" Chunked ")], "1.1", None),
        ([HOST, (b"transfer-encoding", b"chunked")], "1.0", "invalid_request"),
        ([HOST, (b"transfer-encoding", b"deflate,chunked")], "1.1", "unsupported_transfer_coding"),
        ([HOST, (b"transfer-encoding", b"identity, chunked")], "1.1", "unsupported_transfer_coding"),
        ([HOST, (b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")], "1.1", "invalid_request"),
        ([HOST, (b"transfer-encoding", b"")], "1.1", "invalid_request"),
        ([HOST, (b"content-encoding", b"")], "1.1", None),
        ([HOST, (b"content-encoding", b"Identity")], "1.1", None),
        ([HOST, (b"content-encoding", b"zstd")], "1.1", "unsupported_content_encoding"),
    ],
)
def test_framing_rejects_an_ambiguous_head(headers: list[tuple[bytes, bytes]], version: str, code: str | None) -> None:
    problem = problem_of(headers, version)
    assert (problem.code if problem else None) == code
