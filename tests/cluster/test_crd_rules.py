"""The API server refuses what breaks a rule, in the rule's words, and takes everything else: the laptop's own table."""

from typing import Any

import pytest
from harness.kubernetes.api import ROUTES, Api, ApiError
from harness.route_examples import BROKEN, FAR, KEPT, LOCAL_ONLY, NAMES_BROKEN, NAMES_KEPT, Spec, at, route, spec

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
async def test_a_route_that_keeps_the_rules_is_accepted(api: Api, kept: Spec) -> None:
    await create(api, route(kept))


@pytest.mark.parametrize(("broken", "message"), BROKEN.values(), ids=BROKEN)
async def test_crd_names_the_rule_that_a_route_violates(api: Api, broken: Spec, message: str) -> None:
    assert await refusal(api, route(broken)) == {message}


@pytest.mark.parametrize("url", FAR)
async def test_a_provider_may_be_anywhere_else(api: Api, url: str) -> None:
    await create(api, route(at(url)))


@pytest.mark.parametrize("local", LOCAL_ONLY.values(), ids=LOCAL_ONLY)
async def test_a_provider_cannot_be_the_pod_itself_its_link_or_its_cloud(api: Api, local: Spec) -> None:
    assert await refusal(api, route(local)) == {LOCAL_ADDRESS.message}


@pytest.mark.parametrize("name", NAMES_KEPT)
async def test_a_name_that_leaves_room_for_the_pods_is_accepted(api: Api, name: str) -> None:
    await create(api, route(spec(), name))


@pytest.mark.parametrize("name", NAMES_BROKEN)
async def test_a_name_that_would_not_fit_a_pod_or_a_subject_is_refused(api: Api, name: str) -> None:
    assert await refusal(api, route(spec(), name)) == {NAME.message}


async def test_crd_rejection_names_the_provider(api: Api) -> None:
    with pytest.raises(ApiError, match=r"spec\.providers\[1\]: Invalid value"):
        await create(api, route(BROKEN["a second provider that simulates"][0]))
