"""The NATS credentials of a route's workers in its objects."""

import re
import secrets

from msgspec.structs import replace
from unit.support.manifests import DEFAULTS, OWNER, deployment, env
from unit.support.routes import UID, spec

from penstock_operator.nats.keys import WORKER, NatsKeys
from penstock_operator.reconcile import manifests, pod_template
from penstock_operator.reconcile.owned_object import Owner

KEYS = NatsKeys.new(secrets.token_bytes, 1_790_000_000)
MINTING = replace(DEFAULTS, signing_key=KEYS.signing_key)


def test_manifests_with_a_signing_key_have_one_unchanged_secret_per_route() -> None:
    made = manifests.credentials(OWNER, MINTING)
    assert made is not None
    assert made == manifests.credentials(OWNER, MINTING)
    assert made["immutable"] is True
    assert made["stringData"] == {WORKER: KEYS.signing_key.of_workers("team", "main", UID)}
    assert made["metadata"]["ownerReferences"] == deployment()["metadata"]["ownerReferences"]
    rotated = replace(DEFAULTS, signing_key=KEYS.rotated("2", secrets.token_bytes).signing_key)
    names = {
        made["metadata"]["name"],
        (manifests.credentials(Owner("team", "other", UID), MINTING) or {})["metadata"]["name"],
        (manifests.credentials(Owner("team", "main", "uid-2"), MINTING) or {})["metadata"]["name"],
        (manifests.credentials(OWNER, rotated) or {})["metadata"]["name"],
    }
    assert len(names) == 4
    assert all(re.fullmatch(r"(main|other)-worker-nats-[0-9a-f]{10}", name) for name in names)


def test_manifests_without_a_signing_key_have_no_secret() -> None:
    assert manifests.credentials(OWNER, DEFAULTS) is None
    assert manifests.credentials(OWNER, replace(DEFAULTS, nats_secret="shared")) is None


def test_manifests_pass_nats_credentials_as_a_file() -> None:
    made = deployment(defaults=replace(DEFAULTS, nats_secret="of-mine"))["spec"]["template"]["spec"]
    (worker,) = made["containers"]
    assert {"name": "nats", "secret": {"secretName": "of-mine"}} in made["volumes"]
    assert {"name": "nats", "mountPath": pod_template.CREDENTIALS, "readOnly": True} in worker["volumeMounts"]
    variables = {one["name"]: one.get("value") for one in worker["env"]}
    assert variables["PENSTOCK_NATS_CREDENTIALS"] == f"{pod_template.CREDENTIALS}/{WORKER}"


def test_manifests_without_credentials_mount_nothing() -> None:
    made = deployment()["spec"]["template"]["spec"]
    assert [volume["name"] for volume in made["volumes"]] == ["tmp"]
    assert "PENSTOCK_NATS_CREDENTIALS" not in env(spec())
