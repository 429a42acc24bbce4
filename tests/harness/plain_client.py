"""The HTTP client of the tests for servers of this machine, which speak no TLS."""

import ssl
from typing import Any

import httpx


def plain_client(base_url: str = "", **options: Any) -> httpx.AsyncClient:
    """Close it. No proxy of the person's, and no certificates: who could need them reads all that there are first,
    which is 20 ms of a core for each client, a third of what the tests themselves did.
    """
    trusts_nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.AsyncClient(base_url=base_url, trust_env=False, verify=trusts_nobody, **options)
