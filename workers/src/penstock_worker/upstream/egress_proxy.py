"""The HTTP proxy through which a provider is reached: a route's own, or the one of the usual variables; pure.

The rules for `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are those of Go's net/http, which Kubernetes' own programs use.
A proxy that is reached by TLS itself is refused: neither asyncio nor uvloop has TLS within TLS for a socket that is
connected already.
"""

import base64
import ipaddress
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from msgspec import Struct


class ProxyRefused(OSError):  # noqa: N818 - `reason` is a key of `connection_failure.REASONS`
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class EgressProxy(Struct, frozen=True):
    """`authorization` is the value of `Proxy-Authorization`, empty for none."""

    host: str
    port: int
    authorization: str = ""

    @classmethod
    def parse(cls, url: str) -> "EgressProxy":
        """`http://user:password@host:port`, or `host:port`. Raises `ValueError` without the URL's text."""
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError("the proxy is not an http:// URL")
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        return cls(parts.hostname, parts.port or 80, f"Basic {pair}" if user else "")


def proxy_of(base_url: str, own: str | None, environ: Mapping[str, str]) -> EgressProxy | None:
    """The proxy of a provider; `own` is its `proxy`, which takes precedence. Raises `ValueError`."""
    if own is not None:
        return EgressProxy.parse(own)
    parts = urlsplit(base_url)
    name = f"{parts.scheme}_proxy"
    # Most programs read both spellings, the lower-case one first.
    url = environ.get(name) or environ.get(name.upper()) or ""
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    if not url or _is_direct(host, port, environ.get("no_proxy") or environ.get("NO_PROXY") or ""):
        return None
    return EgressProxy.parse(url)


def _is_direct(host: str, port: int, no_proxy: str) -> bool:
    """True if a host is reached without the proxy of the variables. A loopback address always is."""
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    return any(_covers(entry.strip().lower(), host, port, address) for entry in no_proxy.split(","))


def _covers(entry: str, host: str, port: int, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> bool:
    if entry == "*":
        return True
    if address is not None and "/" in entry:
        try:
            return address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, _, entry_port = entry.rpartition(":") if entry.count(":") == 1 else (entry, "", "")
    if not name or (entry_port and entry_port != str(port)):
        return False
    if name.strip("[]") == host:
        return True
    # `example.com` covers its subdomains too, `.example.com` and `*.example.com` only those.
    suffix = name.removeprefix("*")
    return address is None and host.endswith(suffix if suffix.startswith(".") else f".{suffix}")


def is_address(host: str) -> bool:
    """True if a host is an address and not a name."""
    return _address(host) is not None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
