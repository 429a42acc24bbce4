"""API keys are required unless only this machine can reach the listener."""

import pytest

from penstock_runtime.listen_address import is_loopback, keys_required


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_listen_address_requires_no_key_on_loopback_unless_configured(host: str) -> None:
    assert is_loopback(host)
    assert not keys_required(host, None)
    assert keys_required(host, "required")


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.2", "", "example.com", "localhost.example.com", "127.0.0.1 "]
)
def test_listen_address_requires_keys_elsewhere_unless_switched_off(host: str) -> None:
    assert not is_loopback(host)
    assert keys_required(host, None)
    assert not keys_required(host, "off")
