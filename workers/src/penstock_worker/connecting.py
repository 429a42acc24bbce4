"""From a host's name to a connection with an address that was looked at."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

import structlog

from penstock_contract.errors import PenstockError
from penstock_worker.addresses import AddressRules

Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
Protocol = TypeVar("Protocol", bound=asyncio.Protocol)

log = structlog.get_logger("penstock.worker")


async def resolve(host: str, port: int) -> list[str]:
    """The system's resolver; raises `OSError`. Numbers count as addresses too, in every form that it knows."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Connector:
    """Connects to one host and port, as often as asked; each time its name is resolved and looked at anew."""

    def __init__(
        self,
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
        rules: AddressRules,
        resolve: Resolve = resolve,
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._rules = rules
        self._resolve = resolve

    async def connect(self, protocol: Callable[[], Protocol]) -> Protocol:
        """Raises `OSError`, or `provider_unavailable` for a host of which no address is allowed."""
        addresses = await self._resolve(self._host, self._port)
        allowed = [address for address in addresses if self._rules.allow(address)]
        if not allowed:
            log.warning("worker.address_refused", host=self._host, addresses=addresses[:8])
            raise PenstockError("provider_unavailable", "the provider's address is not one that may be called")
        loop = asyncio.get_running_loop()
        failure: OSError = OSError("no address")
        for address in allowed:
            try:
                _, made = await loop.create_connection(
                    protocol,
                    address,
                    self._port,
                    ssl=self._tls,
                    # The certificate must be the name's, not the address's.
                    server_hostname=self._host if self._tls else None,
                )
            except OSError as error:
                failure = error
            else:
                return made
        raise failure
