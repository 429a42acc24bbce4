"""Origins that may read answers, and requests that are rejected by their origin or host."""

import pytest

from penstock_gateway.http.cors import CorsRules
from penstock_gateway.settings import GatewaySettings
from penstock_runtime.settings import InvalidSettings, load

OPEN = CorsRules(frozenset({"https://app.example.com"}))
CLOSED = CorsRules(frozenset({"https://app.example.com"}), closed=True)


def test_cors_compares_whole_origins_without_case() -> None:
    origin = "https://app.example.com"
    assert OPEN.allows(origin)
    assert OPEN.allows("HTTPS://App.example.com")
    for other in (f"{origin}.evil", f"{origin}:1", f"{origin}/", origin.replace("https", "http"), "null", ""):
        assert not OPEN.allows(other)


def test_cors_rejects_no_origin_where_keys_are_required() -> None:
    assert OPEN.refusal("https://evil.example", "evil.example") is None


@pytest.mark.parametrize(
    ("origin", "host", "refused"),
    [
        (None, "127.0.0.1:8080", False),
        (None, "localhost", False),
        (None, "app.localhost:8080", False),
        (None, "[::1]:8080", False),
        (None, "", False),
        (None, "evil.example", True),
        (None, "127.0.0.1.evil.example", True),
        (None, "[::1", True),
        (None, "a@b:c:d", True),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", False),
        ("http://localhost:8080", "127.0.0.1:8080", True),
        ("https://app.example.com", "127.0.0.1:8080", False),
        ("https://evil.example", "127.0.0.1:8080", True),
        ("null", "127.0.0.1:8080", True),
        ("", "127.0.0.1:8080", True),
        ("http://evil.example", "evil.example", True),
    ],
)
def test_cors_rejects_foreign_origins_and_hosts_on_loopback_without_keys(
    origin: str | None, host: str, refused: bool
) -> None:
    assert (CLOSED.refusal(origin, host) is not None) is refused


def settings(**variables: str) -> GatewaySettings:
    return load(GatewaySettings, {f"PENSTOCK_{name}": value for name, value in variables.items()})


def test_cors_settings_separate_origins_by_commas() -> None:
    made = settings(CORS_ORIGINS="https://App.example.com ,http://localhost:3000,http://[::1]:3000")
    assert made.origins == {"https://app.example.com", "http://localhost:3000", "http://[::1]:3000"}
    assert settings().origins == frozenset()


@pytest.mark.parametrize("origins", ["*", "example.com", "https://a/", "https://a b", "https://*.a"])
def test_cors_settings_reject_inexact_origins(origins: str) -> None:
    with pytest.raises(InvalidSettings, match="PENSTOCK_CORS_ORIGINS"):
        settings(CORS_ORIGINS=origins).check()


def test_cors_is_closed_only_on_loopback_without_an_authentication_setting() -> None:
    assert settings().for_this_machine_only
    assert not settings(HOST="0.0.0.0").for_this_machine_only
    assert not settings(AUTHENTICATION="off").for_this_machine_only
    assert not settings(AUTHENTICATION="required").for_this_machine_only


def test_settings_reject_an_admin_port_without_a_token() -> None:
    with pytest.raises(InvalidSettings, match="PENSTOCK_ADMIN_TOKEN"):
        settings(ADMIN_PORT="1").check()
    settings(ADMIN_PORT="1", ADMIN_TOKEN="t" * 32).check()


@pytest.mark.parametrize(
    ("name", "value"), [("ADMIN_TOKEN", "short"), ("ADMIN_TOKEN", "t" * 32 + "\n"), ("FIRST_KEY", "sk-penstock-short")]
)
def test_settings_name_an_invalid_secret_without_its_value(name: str, value: str) -> None:
    with pytest.raises(InvalidSettings, match=f"PENSTOCK_{name}") as error:
        settings(**{name: value})
    assert value not in str(error.value)
