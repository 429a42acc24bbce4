"""Builds the providers of a route from its spec: adapters, keys and connection pools.

Keys come from environment variables named by `secret_variable`; in a cluster the operator fills them from the Secret.
"""

import asyncio
import functools
import ssl
from collections.abc import Callable, Mapping

from penstock_contract.errors import PenstockError
from penstock_contract.requests import Operation
from penstock_contract.route import ModelRouteSpec, ProviderSpec, secret_variable
from penstock_worker.addresses import AddressRules
from penstock_worker.attempt import Target
from penstock_worker.calls import Call, Provider, Sink
from penstock_worker.http_provider import HttpProvider
from penstock_worker.providers.adapter import Adapter
from penstock_worker.providers.anthropic import AnthropicAdapter
from penstock_worker.providers.azure import AzureOpenAIAdapter
from penstock_worker.providers.openai import OpenAIAdapter
from penstock_worker.providers.simulated import SimulatedProvider
from penstock_worker.providers.workers_ai import WorkersAIAdapter

ADAPTERS: dict[str, type[Adapter]] = {
    "OpenAI": OpenAIAdapter,
    "Anthropic": AnthropicAdapter,
    "AzureOpenAI": AzureOpenAIAdapter,
    "CloudflareWorkersAI": WorkersAIAdapter,
}


class RefusingProvider:
    """Stands for a provider that cannot be called (no key, no address), so that the route's other providers serve."""

    def __init__(self, provider_name: str, error: PenstockError) -> None:
        self.provider_name = provider_name
        self._error = error

    async def open(
        self, operation: Operation, model: str, sink: Sink, *, connect_timeout_s: float, headers: dict[str, str]
    ) -> Call:
        del operation, model, sink, connect_timeout_s, headers
        raise PenstockError.of(self._error.detail)

    def close(self) -> None:
        """There is nothing to close."""


def build(spec: ModelRouteSpec, environ: Mapping[str, str], rules: AddressRules) -> list[Target]:
    tls = functools.cache(ssl.create_default_context)  # one for all, and only if somebody needs it
    return [
        Target(
            provider,
            _provider(provider, environ, tls, rules),
            asyncio.Semaphore(provider.max_in_flight) if provider.max_in_flight else None,
        )
        for provider in spec.providers
    ]


def _provider(
    spec: ProviderSpec, environ: Mapping[str, str], tls: Callable[[], ssl.SSLContext], rules: AddressRules
) -> Provider:
    if spec.type == "Simulated":
        assert spec.simulated is not None
        return SimulatedProvider(spec.simulated)
    adapter = ADAPTERS[spec.type]()
    key = environ.get(secret_variable(spec.secret_key_ref)) if spec.secret_key_ref else None
    if spec.secret_key_ref and not key:
        missing = PenstockError("provider_auth_failed", "the provider's key is not configured")
        return RefusingProvider(adapter.provider_name, missing)
    try:
        return HttpProvider(spec, adapter, key, tls, rules)
    except ValueError:
        # `urlsplit` refuses brackets that hold no address; the pattern in the contract cannot tell.
        bad = PenstockError("provider_unavailable", "the provider's baseURL is not an address")
        return RefusingProvider(adapter.provider_name, bad)
