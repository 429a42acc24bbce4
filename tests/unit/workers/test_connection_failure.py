"""Why a connection failed: a constant word for the log, and a sentence without an address for the client."""

import asyncio
import errno
import socket
import ssl

import pytest

from penstock_worker.connection_failure import REASONS, connection_failure


def certificate(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed: for '10.0.0.7' of secret.internal")
    error.verify_code = code
    return error


FAILURES: dict[str, tuple[BaseException, str]] = {
    "another name": (certificate(62), "tls_name"),
    "another address": (certificate(64), "tls_name"),
    "expired": (certificate(10), "tls_expired"),
    "self-signed": (certificate(18), "tls_authority"),
    "unknown authority": (certificate(20), "tls_authority"),
    "another fault of the certificate": (certificate(26), "tls_certificate"),
    "no TLS at all": (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] secret.internal"), "tls_handshake"),
    "closed in the handshake": (
        ConnectionAbortedError("SSL handshake is taking longer than 60.0 seconds"),
        "tls_handshake",
    ),
    "no such name": (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "dns_not_found"),
    "no resolver": (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "dns_unavailable"),
    "refused": (ConnectionRefusedError(errno.ECONNREFUSED, "connect to ('10.0.0.7', 443)"), "refused ECONNREFUSED"),
    "no way": (OSError(errno.EHOSTUNREACH, "connect to 10.0.0.7"), "unreachable EHOSTUNREACH"),
    "too late": (TimeoutError(), "timeout"),
    "too late for the system": (TimeoutError(errno.ETIMEDOUT, "10.0.0.7"), "timeout ETIMEDOUT"),
    "reset": (ConnectionResetError(errno.ECONNRESET, "10.0.0.7"), "reset ECONNRESET"),
    "no descriptors": (OSError(errno.EMFILE, "too many"), "local EMFILE"),
    "of several addresses": (OSError(errno.ECONNREFUSED, "Multiple exceptions: 10.0.0.7"), "refused ECONNREFUSED"),
    "nobody knows": (OSError("Multiple exceptions: 10.0.0.7, 10.0.0.8"), "other"),
}


@pytest.mark.parametrize(("error", "reason"), FAILURES.values(), ids=FAILURES)
def test_a_connection_failure_has_its_reason_and_no_address(error: BaseException, reason: str) -> None:
    failed = connection_failure(error)

    assert (failed.code, failed.reason) == ("provider_unavailable", reason)
    assert failed.detail.message == f"the provider cannot be reached: {REASONS[reason.split(maxsplit=1)[0]]}"
    assert "10.0.0" not in failed.detail.message
    assert "secret" not in failed.detail.message


def test_a_cause_is_found_behind_the_error_that_hides_it() -> None:
    outer = OSError("uvloop's words")
    outer.__cause__ = ConnectionRefusedError(errno.ECONNREFUSED, "10.0.0.7")

    assert connection_failure(outer).reason == "refused ECONNREFUSED"


async def test_a_timeout_of_asyncio_is_a_timeout() -> None:
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    assert connection_failure(caught.value).reason == "timeout"
