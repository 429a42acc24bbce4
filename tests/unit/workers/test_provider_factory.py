"""Providers built from a route's spec."""

from typing import Any

import msgspec
import pytest
from unit.support.operations import chat

from penstock_contract.errors import PenstockError
from penstock_contract.route.spec import ModelRouteSpec
from penstock_worker.providers.provider import Provider
from penstock_worker.providers.simulated import SimulatedProvider
from penstock_worker.providers.target import Target
from penstock_worker.upstream import provider_factory
from penstock_worker.upstream.address_policy import AddressRules
from penstock_worker.upstream.http_provider import HttpProvider

OPERATION = chat()


def build(environ: dict[str, str] | None = None, **fields: Any) -> Target:
    spec = msgspec.convert(
        {"models": [{"name": "m"}], "providers": [{"name": "p", "type": "OpenAI", **fields}]}, ModelRouteSpec
    )
    [target] = provider_factory.build(spec, environ or {}, AddressRules())
    return target


async def refusal_of(provider: Provider) -> PenstockError:
    with pytest.raises(PenstockError) as error:
        await provider.open(OPERATION, "m", None, connect_timeout_s=1, headers={})  # type: ignore[arg-type]
    return error.value


@pytest.mark.parametrize(
    ("fields", "kind", "name"),
    [
        ({"type": "OpenAI"}, HttpProvider, "openai"),
        ({"type": "Anthropic"}, HttpProvider, "anthropic"),
        ({"type": "AzureOpenAI", "baseURL": "https://r.openai.azure.com/openai/v1"}, HttpProvider, "azure.ai.openai"),
        ({"type": "CloudflareWorkersAI", "baseURL": "https://c.example/accounts/a/ai"}, HttpProvider, "cloudflare"),
        ({"type": "Simulated", "simulated": {}}, SimulatedProvider, "simulated"),
    ],
)
def test_provider_factory_builds_the_provider_of_each_type(fields: dict[str, Any], kind: type, name: str) -> None:
    provider = build(**fields).provider

    assert isinstance(provider, kind)
    assert provider.provider_name == name


async def test_provider_factory_provider_without_its_key_refuses_without_a_call() -> None:
    target = build(secretKeyRef={"name": "openai", "key": "api-key"})

    error = await refusal_of(target.provider)

    assert error.code == "provider_auth_failed"
    assert target.provider.provider_name == "openai"


async def test_provider_factory_provider_with_an_empty_key_refuses() -> None:
    target = build({"OPENAI_API_KEY": ""}, secretKeyRef={"name": "openai", "key": "api-key"})

    assert (await refusal_of(target.provider)).code == "provider_auth_failed"


def test_provider_factory_provider_with_its_key_is_called() -> None:
    target = build({"OPENAI_API_KEY": "sk-1"}, secretKeyRef={"name": "openai", "key": "api-key"})

    assert isinstance(target.provider, HttpProvider)


async def test_provider_factory_isolates_a_provider_with_an_invalid_address() -> None:
    target = build(baseURL="http://[1:2:3]/v1")

    error = await refusal_of(target.provider)

    assert error.code == "provider_unavailable"
    assert "baseURL" in error.detail.message


def test_provider_factory_makes_a_semaphore_of_max_in_flight() -> None:
    assert build().slots is None
    bounded = build(maxInFlight=2).slots
    assert bounded is not None
    assert not bounded.locked()
