"""Settings about workers are parsed, or rejected by name."""

import secrets
from pathlib import Path

import pytest

from penstock_contract.route.pod.containers import ResourcesSpec
from penstock_operator.nats.keys import SIGNING, NatsKeys
from penstock_operator.settings import OperatorSettings
from penstock_runtime.settings import InvalidSettings, load

NEEDED = {"PENSTOCK_NAMESPACES": "team-a, team-b,", "PENSTOCK_WORKER_IMAGE": "penstock:1"}


def loaded(**given: str) -> OperatorSettings:
    settings = load(OperatorSettings, NEEDED | {f"PENSTOCK_{name}": value for name, value in given.items()})
    settings.check()
    return settings


def test_settings_separate_lists_by_commas_and_keep_commas_in_values_of_variables() -> None:
    settings = loaded(
        WORKER_IMAGE_PULL_SECRETS="registry,mirror",
        WORKER_ENV='{"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=prod,team=ai"}',
        WORKER_RESOURCES='{"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"memory": "1Gi"}}',
    )
    assert settings.namespace_list == ["team-a", "team-b"]
    assert settings.worker_image_pull_secret_list == ["registry", "mirror"]
    assert settings.worker_environment == {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=prod,team=ai"}
    assert settings.worker_resources_spec == ResourcesSpec(
        requests={"cpu": "50m", "memory": "96Mi"}, limits={"memory": "1Gi"}
    )


def test_settings_of_the_chart_omit_unset_worker_settings() -> None:
    settings = loaded()
    assert settings.worker_image_pull_policy is None
    assert settings.worker_image_pull_secret_list == []
    assert settings.worker_environment == {}
    assert settings.worker_resources_spec == ResourcesSpec()


def test_settings_read_the_signing_key_from_a_file(tmp_path: Path) -> None:
    keys = NatsKeys.new(secrets.token_bytes, 1_790_000_000)
    path = tmp_path / SIGNING
    path.write_text(keys.files()[SIGNING])

    assert loaded(NATS_SIGNING_KEY=str(path)).signing_key == keys.signing_key
    assert loaded().signing_key is None
    with pytest.raises(InvalidSettings, match="are both set"):
        loaded(NATS_SIGNING_KEY=str(path), WORKER_NATS_SECRET="shared")
    path.write_text("{}")
    with pytest.raises(InvalidSettings, match=r"PENSTOCK_NATS_SIGNING_KEY: signing\.json is not a file of"):
        loaded(NATS_SIGNING_KEY=str(path))


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"NAMESPACES": " , "}, "PENSTOCK_NAMESPACES names no namespace"),
        ({"WORKER_ENV": "OTEL_A=1"}, "PENSTOCK_WORKER_ENV is not a JSON object"),
        ({"WORKER_ENV": '{"A": 1}'}, "PENSTOCK_WORKER_ENV is not a JSON object"),
        ({"WORKER_ENV": '{"not a name": "1"}'}, "PENSTOCK_WORKER_ENV is not a JSON object"),
        ({"WORKER_ENV": '{"PENSTOCK_ROUTE": "a"}'}, "must not set PENSTOCK_ROUTE, which the operator sets"),
        ({"WORKER_RESOURCES": '{"cpu": "1"}'}, "PENSTOCK_WORKER_RESOURCES is not a JSON object of requests and limits"),
        ({"WORKER_RESOURCES": '{"limits": {"memory": "much"}}'}, "PENSTOCK_WORKER_RESOURCES is not a JSON object"),
        ({"NATS_SIGNING_KEY": "/missing"}, "PENSTOCK_NATS_SIGNING_KEY: .*No such file"),
        ({"WORKER_NATS_SECRET": "Not a name"}, "PENSTOCK_WORKER_NATS_SECRET"),
        ({"WORKER_IMAGE_PULL_POLICY": "Sometimes"}, "PENSTOCK_WORKER_IMAGE_PULL_POLICY"),
    ],
    ids=[
        "no namespace",
        "no JSON",
        "a number",
        "no variable",
        "the operator's own",
        "no resources",
        "no quantity",
        "no key",
        "no name",
        "no policy",
    ],
)
def test_settings_name_an_invalid_value(given: dict[str, str], complaint: str) -> None:
    with pytest.raises(InvalidSettings, match=complaint):
        loaded(**given)
