"""Credentials of a provider: its key, and the route's headers and query parameters."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from penstock_contract.errors import PenstockError
from penstock_contract.route.provider import ProviderSpec
from penstock_runtime.clock import ManualClock
from penstock_worker.providers.adapter import HttpRequest
from penstock_worker.upstream.provider_credentials import ProviderCredentials
from penstock_worker.upstream.provider_key import CHECK_S, ProviderKeys

REQUEST = HttpRequest("/chat/completions", {"authorization": "Bearer sk-1"}, b"{}")
CLIENT_SECRET = {"valueFrom": {"secretKeyRef": {"name": "access", "key": "client-secret"}}}


def spec(**fields: Any) -> ProviderSpec:
    return msgspec.convert({"name": "p", "type": "OpenAI", **fields}, ProviderSpec)


def credentials(environ: dict[str, str] | None = None, **fields: Any) -> ProviderCredentials:
    return ProviderCredentials(spec(**fields), ProviderKeys(None, environ or {}, ManualClock().monotonic))


def test_credentials_without_additions_leave_a_request_as_it_is() -> None:
    assert credentials().added_to(REQUEST) is REQUEST


def test_credentials_add_headers_and_query_parameters() -> None:
    made = credentials(
        {"ACCESS_CLIENT_SECRET": "s3cret\n"},
        headers=[{"name": "x-title", "value": "A title"}, {"name": "cf-access-client-secret", **CLIENT_SECRET}],
        query=[{"name": "a", "value": "b c&d=/"}, {"name": "key", **CLIENT_SECRET}],
    ).added_to(REQUEST)

    assert made.headers == {
        "x-title": "A title",
        "cf-access-client-secret": "s3cret",
        "authorization": "Bearer sk-1",
    }
    assert made.path == "/chat/completions?a=b%20c%26d%3D%2F&key=s3cret"
    assert made.body == b"{}"


def test_credentials_join_a_query_that_the_dialect_has() -> None:
    azure = HttpRequest("/deployments/d/chat/completions?api-version=2024-10-21", {}, b"")

    made = credentials(query=[{"name": "a", "value": "b"}]).added_to(azure)

    assert made.path == "/deployments/d/chat/completions?api-version=2024-10-21&a=b"


def test_credentials_do_not_replace_a_header_of_the_dialect() -> None:
    made = credentials(headers=[{"name": "anthropic-version", "value": "1999-01-01"}]).added_to(
        HttpRequest("/messages", {"anthropic-version": "2023-06-01"}, b"")
    )

    assert made.headers == {"anthropic-version": "2023-06-01"}


@pytest.mark.parametrize("value", [None, "", " \n", "a\r\nx-injected: b", "a\nb", "schl\u00fcssel", "a\x00b", "a\tb"])
def test_credentials_refuse_a_secret_that_is_missing_or_no_header_can_carry(value: str | None) -> None:
    environ = {} if value is None else {"ACCESS_CLIENT_SECRET": value}
    for kind in ("headers", "query"):
        with pytest.raises(PenstockError) as error:
            credentials(environ, **{kind: [{"name": "x-client-secret", **CLIENT_SECRET}]}).added_to(REQUEST)
        assert error.value.code == "provider_auth_failed"
        assert "client" not in error.value.detail.message
    with pytest.raises(PenstockError):
        credentials(environ, secretKeyRef={"name": "access", "key": "client-secret"}).key()


def test_credentials_read_a_rotated_secret_again_and_count_it(tmp_path: Path) -> None:
    (tmp_path / "access").mkdir()
    file = tmp_path / "access" / "client-secret"
    file.write_text("first")
    clock = ManualClock()
    made = ProviderCredentials(
        spec(headers=[{"name": "x-client-secret", **CLIENT_SECRET}]), ProviderKeys(str(tmp_path), {}, clock.monotonic)
    )
    assert made.added_to(REQUEST).headers["x-client-secret"] == "first"
    number = made.number

    file.write_text("the second")
    clock.advance(CHECK_S)

    assert made.added_to(REQUEST).headers["x-client-secret"] == "the second"
    assert made.number == number + 1
    file.write_text("and a third")
    made.check()
    assert made.number == number + 2


def test_credentials_give_all_secrets_without_their_scheme_to_the_redaction() -> None:
    made = credentials(
        {"OPENAI_KEY": "sk-1234567890", "ACCESS_CLIENT_SECRET": "Basic dXNlcjpwYXNz"},
        secretKeyRef={"name": "openai", "key": "key"},
        headers=[
            {"name": "x-client-secret", **CLIENT_SECRET},
            {"name": "http-referer", "value": "https://example.com"},
        ],
    )

    assert list(made.secrets()) == ["sk-1234567890", "dXNlcjpwYXNz"]
