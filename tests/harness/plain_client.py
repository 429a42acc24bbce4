"""The HTTP client of the tests for servers on this machine, without TLS."""

import ssl
from typing import Any

import httpx


def plain_client(base_url: str = "", **options: Any) -> httpx.AsyncClient:
    """The caller closes it. It uses no proxy of the environment and loads no certificates: reading all of them takes
    20 ms of a core for each client, a third of the CPU time of the tests.
    """
    trusts_nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.AsyncClient(base_url=base_url, trust_env=False, verify=trusts_nobody, **options)
