"""The API server rejects a violated rule with the rule's message and accepts the rest; same table as `penstock dev`."""

from typing import Any

import pytest
from harness.kubernetes.api import ROUTES, Api, ApiError
from harness.route_addresses import FAR, LOCAL_ONLY, NAMES_BROKEN, NAMES_KEPT
from harness.route_examples import KEPT, Spec, at, route, spec
from harness.route_violations import BROKEN

from penstock_contract.route.validation import LOCAL_ADDRESS, NAME, RULES

MESSAGES = {rule.message for rule in (*RULES, LOCAL_ADDRESS, NAME)}


async def create(api: Api, document: dict[str, Any]) -> None:
    """All that the API server does with a new object but keeping it."""
    await api.create(f"{ROUTES.at('default')}?dryRun=All&fieldValidation=Strict", document)


async def refusal(api: Api, document: dict[str, Any]) -> set[str]:
    """The rules that the refusal names."""
    with pytest.raises(ApiError) as refused:
        await create(api, document)
    assert refused.value.code == 422
    return {message for message in MESSAGES if message in refused.value.message}


@pytest.mark.parametrize("kept", KEPT.values(), ids=KEPT)
async def test_crd_accepts_a_valid_route(api: Api, kept: Spec) -> None:
    await create(api, route(kept))


@pytest.mark.parametrize(("broken", "message"), BROKEN.values(), ids=BROKEN)
async def test_crd_names_the_rule_that_a_route_violates(api: Api, broken: Spec, message: str) -> None:
    assert await refusal(api, route(broken)) == {message}


@pytest.mark.parametrize("url", FAR)
async def test_crd_accepts_other_provider_addresses(api: Api, url: str) -> None:
    await create(api, route(at(url)))


@pytest.mark.parametrize("local", LOCAL_ONLY.values(), ids=LOCAL_ONLY)
async def test_crd_rejects_loopback_link_local_and_metadata_addresses(api: Api, local: Spec) -> None:
    assert await refusal(api, route(local)) == {LOCAL_ADDRESS.message}


@pytest.mark.parametrize("name", NAMES_KEPT)
async def test_crd_accepts_a_name_that_fits_pods(api: Api, name: str) -> None:
    await create(api, route(spec(), name))


@pytest.mark.parametrize("name", NAMES_BROKEN)
async def test_crd_rejects_a_name_that_does_not_fit_pods_or_subjects(api: Api, name: str) -> None:
    assert await refusal(api, route(spec(), name)) == {NAME.message}


async def test_crd_rejection_names_the_provider(api: Api) -> None:
    with pytest.raises(ApiError, match=r"spec\.providers\[1\]: Invalid value"):
        await create(api, route(BROKEN["a second provider that simulates"][0]))
