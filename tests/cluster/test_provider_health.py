"""A provider that fails or refuses its key is a condition of the route, with its name, and an Event of type Warning."""

import asyncio
import base64
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from harness.gateway import Gateway
from harness.kubernetes.api import EVENTS, ROUTES, SECRETS, Api
from harness.kubernetes.model_routes import condition, model_route, served
from harness.kubernetes.operator_process import OperatorProcess
from harness.nats_server import NatsServer
from harness.route_spec import provider

pytestmark = pytest.mark.timeout(120)

WITHIN_S = 10.0
ONE = {"mode": "Manual", "replicas": 1}
BROKEN = {"name": "broken", "type": "Simulated", "simulated": {"tokens": 4, "errorAtToken": 0}, "priority": 0}
GOOD = {"name": "good", "type": "Simulated", "simulated": {"tokens": 4}, "priority": 1}


def message(route: Mapping[str, Any], type_: str) -> str:
    return next(str(one["message"]) for one in route["status"]["conditions"] if one["type"] == type_)


async def warnings(api: Api, namespace: str) -> set[tuple[str, str]]:
    """Reason and note of the route's Events of type Warning."""
    events = await api.list(EVENTS.at(namespace))
    return {(one["reason"], one["message"]) for one in events if one["type"] == "Warning"}


async def test_provider_that_fails_every_request_is_in_degraded_and_clears_by_itself(
    api: Api, namespace: str, nats: NatsServer, operator: OperatorProcess, tmp_path: Path
) -> None:
    del operator
    async with Gateway.running(nats.url, tmp_path) as gateway:
        await api.create(ROUTES.at(namespace), model_route(scaling=ONE, providers=[BROKEN, GOOD]))
        await api.until(ROUTES.at(namespace, "main"), served, "the route is served")
        await gateway.has_model("simulated")

        async def requests() -> None:
            while True:
                assert (await gateway.request("simulated")).status_code == 200, "the other provider answers"

        sending = asyncio.create_task(requests())
        try:
            degraded = await api.until(
                ROUTES.at(namespace, "main"),
                lambda route: condition(route, "Degraded") == "True ProviderFailing",
                "the condition names the provider",
                timeout_s=WITHIN_S + 5,
            )
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending
        assert "the provider broken" in message(degraded, "Degraded")
        assert condition(degraded, "Ready") == "True Serving"
        assert ("ProviderFailing", message(degraded, "Degraded")) in await warnings(api, namespace)

        repaired = {"spec": {"providers": [{**BROKEN, "simulated": {"tokens": 4}}, GOOD]}}
        await api.patch(ROUTES.at(namespace, "main"), repaired)
        await api.until(
            ROUTES.at(namespace, "main"),
            lambda route: condition(route, "Degraded") == "False AsExpected",
            "the condition is cleared",
            timeout_s=WITHIN_S + 5,
        )


async def test_provider_that_refuses_the_key_is_in_degraded_and_in_an_event(
    api: Api, namespace: str, nats: NatsServer, operator: OperatorProcess, tmp_path: Path
) -> None:
    del operator
    await api.create(SECRETS.at(namespace), {"metadata": {"name": "scripted"}, "data": {"key": _encoded("schlüssel")}})
    refused = provider("p", "https://provider.example/v1", secretKeyRef={"name": "scripted", "key": "key"})
    async with Gateway.running(nats.url, tmp_path) as gateway:
        await api.create(ROUTES.at(namespace), model_route(scaling=ONE, providers=[refused]))
        await api.until(ROUTES.at(namespace, "main"), served, "the route is served")
        await gateway.has_model("simulated")
        assert (await gateway.request("simulated")).json()["error"]["code"] == "provider_auth_failed"
        degraded = await api.until(
            ROUTES.at(namespace, "main"),
            lambda route: condition(route, "Degraded") == "True ProviderAuthFailed",
            "the condition names the provider",
            timeout_s=WITHIN_S + 5,
        )
        assert "the provider p rejects the key key of the Secret scripted" in message(degraded, "Degraded")
        assert ("ProviderAuthFailed", message(degraded, "Degraded")) in await warnings(api, namespace)


def _encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()
