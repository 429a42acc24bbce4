"""Classifies failed connections: a constant reason for the log, a sentence without an address for the client.

Messages of the operating system and of OpenSSL are not passed on: they contain addresses and host names.
"""

import errno
import socket
import ssl
from collections.abc import Iterator

from penstock_worker.providers.failure.provider_failure import ProviderFailure

REASONS: dict[str, str] = {
    "tls_name": "its TLS certificate is not valid for its name",
    "tls_authority": "its TLS certificate is not from a known authority",
    "tls_expired": "its TLS certificate has expired or is not valid yet",
    "tls_certificate": "its TLS certificate is not valid",
    "tls_handshake": "the TLS handshake failed",
    "dns_not_found": "its host name does not resolve",
    "dns_unavailable": "the resolver did not answer for its host name",
    "refused": "it refuses connections",
    "unreachable": "its network is not reachable",
    "timeout": "it did not accept a connection in time",
    "reset": "it closed the connection",
    "local": "the worker has no resources for another connection",
    "other": "the connection failed",
}
"""The log's `reason`, and what a client reads after "the provider cannot be reached: "."""

NAME_MISMATCH = frozenset({62, 63, 64})
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH, _EMAIL_, _IP_ADDRESS_."""
NOT_IN_DATE = frozenset({9, 10})
UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21, 24, 27})

ERRNOS: dict[int, str] = {
    errno.ECONNREFUSED: "refused",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETDOWN: "unreachable",
    errno.EHOSTDOWN: "unreachable",
    errno.EADDRNOTAVAIL: "unreachable",
    errno.EACCES: "unreachable",
    errno.EPERM: "unreachable",
    errno.ETIMEDOUT: "timeout",
    errno.ECONNRESET: "reset",
    errno.ECONNABORTED: "reset",
    errno.EPIPE: "reset",
    errno.EMFILE: "local",
    errno.ENFILE: "local",
    errno.ENOBUFS: "local",
    errno.ENOMEM: "local",
}


def connection_failure(error: BaseException) -> ProviderFailure:
    """`provider_unavailable` with the reason of the failed connection."""
    reason, number = "other", None
    for one in _causes(error):
        number = one.errno if isinstance(one, OSError) else None
        reason = _reason(one)
        if reason != "other":
            break
    name = errno.errorcode.get(number or 0)
    logged = f"{reason} {name}" if name and not reason.startswith(("tls", "dns")) else reason
    return ProviderFailure("provider_unavailable", f"the provider cannot be reached: {REASONS[reason]}", reason=logged)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes, the outermost first."""
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        yield at
        at = at.__cause__ or at.__context__


def _reason(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _of_certificate(error.verify_code)
    if isinstance(error, ssl.SSLError):
        return "tls_handshake"
    if isinstance(error, socket.gaierror):
        return "dns_unavailable" if error.errno in {socket.EAI_AGAIN, socket.EAI_FAIL} else "dns_not_found"
    if isinstance(error, OSError) and error.errno in ERRNOS:
        return ERRNOS[error.errno]
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ConnectionAbortedError) or "SSL handshake" in str(error):
        # asyncio's and uvloop's messages for a peer that closes during the handshake, or exceeds its timeout.
        return "tls_handshake"
    return "reset" if isinstance(error, ConnectionError) else "other"


def _of_certificate(code: int) -> str:
    if code in NAME_MISMATCH:
        return "tls_name"
    if code in NOT_IN_DATE:
        return "tls_expired"
    return "tls_authority" if code in UNKNOWN_AUTHORITY else "tls_certificate"
