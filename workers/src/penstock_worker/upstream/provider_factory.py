"""Builds the providers of a route from its spec: adapters, credentials and connection pools."""

import asyncio
import functools
import ssl
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from penstock_contract.errors import PenstockError
from penstock_contract.request.operations import Operation
from penstock_contract.route.provider import ProviderSpec
from penstock_contract.route.spec import ModelRouteSpec
from penstock_worker.providers.adapter import Adapter
from penstock_worker.providers.anthropic.adapter import AnthropicAdapter
from penstock_worker.providers.failure.redaction import Redaction
from penstock_worker.providers.openai.adapter import OpenAIAdapter
from penstock_worker.providers.openai.azure import AzureOpenAIAdapter
from penstock_worker.providers.provider import AnswerForm, CallHandle, CallListener, Provider
from penstock_worker.providers.simulated import SimulatedProvider
from penstock_worker.providers.target import Target
from penstock_worker.providers.workers_ai.adapter import WorkersAIAdapter
from penstock_worker.upstream.address_policy import AddressRules
from penstock_worker.upstream.http_provider import HttpProvider
from penstock_worker.upstream.provider_credentials import ProviderCredentials
from penstock_worker.upstream.provider_key import ProviderKeys

ADAPTERS: dict[str, type[Adapter]] = {
    "OpenAI": OpenAIAdapter,
    "Anthropic": AnthropicAdapter,
    "AzureOpenAI": AzureOpenAIAdapter,
    "CloudflareWorkersAI": WorkersAIAdapter,
}


class RefusingProvider:
    """Stands for a provider with an invalid address, so that the route's other providers serve."""

    def __init__(self, provider_name: str, error: PenstockError) -> None:
        self.provider_name = provider_name
        self._error = error

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
        del operation, model, listener, connect_timeout_s, headers, form
        raise PenstockError.of(self._error.detail)

    def close(self) -> None:
        """There is nothing to close."""


def build(
    spec: ModelRouteSpec, environ: Mapping[str, str], rules: AddressRules, keys: ProviderKeys | None = None
) -> list[Target]:
    """Without `keys`, they are read from `environ` alone."""
    keys = keys or ProviderKeys(None, environ, time.monotonic)
    tls = functools.cache(ssl.create_default_context)  # one for all providers, made at the first use
    return [_target(provider, ProviderCredentials(provider, keys), tls, rules, environ) for provider in spec.providers]


def _target(
    spec: ProviderSpec,
    credentials: ProviderCredentials,
    tls: Callable[[], ssl.SSLContext],
    rules: AddressRules,
    environ: Mapping[str, str],
) -> Target:
    return Target(
        spec,
        _provider(spec, credentials, tls, rules, environ),
        asyncio.Semaphore(spec.max_in_flight) if spec.max_in_flight else None,
        functools.partial(_redaction, spec, credentials),
    )


def _redaction(spec: ProviderSpec, credentials: ProviderCredentials) -> Redaction:
    """Values that the provider's messages must not show: its current credentials, and its host."""
    try:
        host = urlsplit(spec.base_url or "").hostname
    except ValueError:
        host = None
    return Redaction(tuple(credentials.secrets()), (host,) if host else ())


def _provider(
    spec: ProviderSpec,
    credentials: ProviderCredentials,
    tls: Callable[[], ssl.SSLContext],
    rules: AddressRules,
    environ: Mapping[str, str],
) -> Provider:
    if spec.type == "Simulated":
        assert spec.simulated is not None
        return SimulatedProvider(spec.simulated)
    adapter = ADAPTERS[spec.type]()
    try:
        return HttpProvider(spec, adapter, credentials, tls, rules, environ)
    except ValueError:
        # `urlsplit` refuses brackets that hold no address; the contract's pattern accepts them.
        bad = PenstockError("provider_unavailable", "the provider's baseURL is invalid, or its proxy is no http:// URL")
        return RefusingProvider(adapter.provider_name, bad)
