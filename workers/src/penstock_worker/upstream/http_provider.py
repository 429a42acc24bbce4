"""A provider with an HTTP API: an adapter for the dialect, a pool for the connections."""

import ssl
from collections.abc import Callable, Mapping

from penstock_contract.request.operations import CountTokensOperation, Generation, Operation
from penstock_contract.route.provider import ProviderSpec
from penstock_worker.providers.adapter import Adapter
from penstock_worker.providers.answer_form import in_form
from penstock_worker.providers.provider import AnswerForm, CallHandle, CallListener
from penstock_worker.providers.set_fields import with_fields
from penstock_worker.upstream.address_policy import AddressRules
from penstock_worker.upstream.egress_proxy import proxy_of
from penstock_worker.upstream.pool import ConnectionPool
from penstock_worker.upstream.provider_credentials import ProviderCredentials


class HttpProvider:
    def __init__(
        self,
        spec: ProviderSpec,
        adapter: Adapter,
        credentials: ProviderCredentials,
        tls: Callable[[], ssl.SSLContext],
        rules: AddressRules,
        environ: Mapping[str, str],
    ) -> None:
        """Raises `ValueError` for an address, or a proxy in `environ`, that is no URL."""
        base_url = spec.base_url or adapter.default_base_url
        self._spec = spec
        self._adapter = adapter
        self.credentials = credentials
        self._pool = ConnectionPool(base_url, tls, rules, proxy_of(base_url, spec.proxy, environ))
        self.provider_name = adapter.provider_name

    async def open(
        self,
        operation: Operation,
        model: str,
        listener: CallListener,
        *,
        connect_timeout_s: float,
        headers: dict[str, str],
        form: AnswerForm = "stream",
    ) -> CallHandle:
        request = self._adapter.request(operation, model, self._spec, self.credentials.key())
        if isinstance(operation, Generation):
            request = in_form(request, form)
        if self._spec.set_fields and not isinstance(operation, CountTokensOperation):
            request = with_fields(request, self._spec.set_fields, operation)
        raw = self._pool.raw(self.credentials.added_to(request), headers)
        connection, reused = await self._pool.acquire(connect_timeout_s)
        parser = self._adapter.parser(operation)
        connection.start(raw, parser, listener, reused=reused)
        return connection

    def close(self) -> None:
        self._pool.close()
