"""A provider behind HTTP: an adapter for the dialect, a pool for the connections."""

import ssl
from collections.abc import Callable

from penstock_contract.errors import PenstockError
from penstock_contract.request.operations import Operation
from penstock_contract.route.spec import ProviderSpec
from penstock_worker.providers.adapter import Adapter
from penstock_worker.providers.provider import Call, Sink
from penstock_worker.upstream.address_policy import AddressRules
from penstock_worker.upstream.connection import ConnectionPool
from penstock_worker.upstream.provider_key import ProviderKey


class HttpProvider:
    def __init__(
        self,
        spec: ProviderSpec,
        adapter: Adapter,
        key: ProviderKey | None,
        tls: Callable[[], ssl.SSLContext],
        rules: AddressRules,
    ) -> None:
        self._spec = spec
        self._adapter = adapter
        self.key = key
        self._pool = ConnectionPool(spec.base_url or adapter.default_base_url, tls, rules)
        self.provider_name = adapter.provider_name

    async def open(
        self, operation: Operation, model: str, sink: Sink, *, connect_timeout_s: float, headers: dict[str, str]
    ) -> Call:
        key = self.key.value() if self.key is not None else None
        if self.key is not None and not key:
            raise PenstockError("provider_auth_failed", "the provider's key is not configured")
        request = self._adapter.request(operation, model, self._spec, key)
        raw = self._pool.raw(request, headers)
        exchange, reused = await self._pool.acquire(connect_timeout_s)
        parser = self._adapter.parser(operation)
        exchange.start(raw, parser, sink, reused=reused)
        return exchange

    def close(self) -> None:
        self._pool.close()
