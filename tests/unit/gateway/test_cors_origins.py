"""PENSTOCK_CORS_ORIGINS: valid origins, and the proposals in the message for common mistakes."""

import pytest

from penstock_gateway.http.cors_origins import parse
from penstock_gateway.settings import GatewaySettings
from penstock_runtime import settings
from penstock_runtime.settings import InvalidSettings


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.com",
        "http://localhost:3000",
        "http://[::1]:3000",
        "app://obsidian.md",
        "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
        "moz-extension://6f3b5a2e-1d0c-4a55-9d1c-0a1b2c3d4e5f",
        "tauri://localhost",
        "vscode-webview://0a1b2c3d4e5f",
        "capacitor://localhost",
        "null",
    ],
)
def test_cors_origins_accept_an_exact_origin(origin: str) -> None:
    """RFC 6454 §4 and §6.1: an opaque scheme is an origin like any other; ollama #4385 and #3016."""
    assert parse(f" {origin} ,https://other.example.com") == {origin, "https://other.example.com"}


@pytest.mark.parametrize(
    ("origin", "proposal"),
    [
        ("*", "name each one, like https://app.example.com"),
        ("https://*.example.com", "name each one"),
        ("https://app.example.com/", "write https://app.example.com"),
        ("https://app.example.com/chat", "write https://app.example.com"),
        ("app://obsidian.md/", "write app://obsidian.md"),
        ("app.example.com", "write it like https://app.example.com"),
        ("localhost:3000", "write it like"),
        ("https://user@app.example.com", "write scheme://host"),
        ("https://app.example.com:port", "write scheme://host"),
        ("https://", "write scheme://host"),
        ("https://a\nb", "write scheme://host"),
    ],
)
def test_cors_origins_reject_an_invalid_origin_with_the_correct_form(origin: str, proposal: str) -> None:
    loaded = settings.load(GatewaySettings, {"PENSTOCK_CORS_ORIGINS": origin})
    with pytest.raises(InvalidSettings) as refused:
        loaded.check()
    assert str(refused.value).startswith("PENSTOCK_CORS_ORIGINS: ")
    assert proposal in str(refused.value)


@pytest.mark.parametrize("value", ["cookie", "authorization;x-api-key", "", " , "])
def test_settings_reject_unknown_key_headers_with_the_possible_ones(value: str) -> None:
    with pytest.raises(InvalidSettings, match=r"^PENSTOCK_KEY_HEADERS: .*authorization, x-api-key, api-key$"):
        settings.load(GatewaySettings, {"PENSTOCK_KEY_HEADERS": value}).check()
