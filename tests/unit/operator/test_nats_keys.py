"""The keys of an installation's broker: derived credentials, and the parts that a rotation keeps."""

import base64
import hashlib
import itertools
import json
import re
from typing import Any

import msgspec
import nkeys
import pytest

from penstock_broker import permissions
from penstock_operator.nats import keys as nats_keys
from penstock_operator.nats.keys import KeysUnreadable, NatsKeys, SigningKey, read_root, read_signing_key

CONTROL_LINE_MAX = 4096
"""The default bound of nats-server for a CONNECT line, which contains the token."""
CONNECT_REST = 400
"""Bytes of the other fields: name, version, signature."""


def drawn() -> nats_keys.Draw:
    count = itertools.count()
    return lambda size: hashlib.sha256(str(next(count)).encode()).digest()[:size]


def made(rotation: str = "") -> NatsKeys:
    return NatsKeys.new(drawn(), 1_790_000_000, rotation)


def token_of(credentials: str) -> str:
    match = re.search(r"JWT-----\n(\S+)\n", credentials)
    assert match is not None
    return match[1]


def claims_of(token: str) -> dict[str, Any]:
    """Raises if the signature is not the issuer's."""
    head, body, signature = token.split(".")

    def decoded(part: str) -> bytes:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))

    assert json.loads(decoded(head)) == {"typ": "JWT", "alg": "ed25519-nkey"}
    claims: dict[str, Any] = json.loads(decoded(body))
    raw = base64.b32decode(claims["iss"])[1:-2]
    import nacl.signing

    nacl.signing.VerifyKey(raw).verify(f"{head}.{body}".encode(), decoded(signature))
    return claims


def public(seed: str) -> str:
    return str(nkeys.from_seed(bytearray(seed.encode())).public_key.decode())


def test_nats_keys_give_a_route_a_user_of_the_account_with_the_routes_permissions() -> None:
    keys = made()
    claims = claims_of(token_of(keys.signing_key.of_workers("team", "chat", "uid")))

    assert claims["iss"] == public(keys.signing_seeds[0])
    assert claims["nats"]["issuer_account"] == keys.account
    assert claims["nats"]["pub"]["allow"] == list(permissions.worker("team", "chat").publish)
    assert claims["nats"]["sub"]["allow"] == list(permissions.worker("team", "chat").subscribe)
    assert "exp" not in claims
    assert claims["nats"]["type"] == "user"


def test_nats_keys_give_a_route_the_same_credentials_from_every_leader() -> None:
    key = made().signing_key
    again = read_signing_key(msgspec.json.encode(key))

    assert key.of_workers("team", "chat", "uid") == again.of_workers("team", "chat", "uid")


def test_nats_keys_give_other_users_to_another_route_another_namespace_and_a_recreated_route() -> None:
    key = made().signing_key
    named = [("team", "chat", "1"), ("team", "other", "1"), ("teams", "chat", "1"), ("team", "chat", "2")]

    assert len({claims_of(token_of(key.of_workers(*name)))["sub"] for name in named}) == 4


@pytest.mark.parametrize("role", ["gateway", "operator", "worker"])
def test_nats_keys_token_fits_the_line_of_a_server(role: str) -> None:
    keys = made()
    longest = "x" * 63
    credentials = {
        "gateway": keys.files()[nats_keys.GATEWAY],
        "operator": keys.files()[nats_keys.OPERATOR],
        "worker": keys.signing_key.of_workers(longest, longest, "0" * 36),
    }[role]

    assert len(token_of(credentials)) + CONNECT_REST < CONTROL_LINE_MAX


def test_nats_keys_server_part_has_no_secret_and_trusts_the_signing_keys() -> None:
    keys = made().rotated("2027", drawn())
    config = keys.server_config()

    assert not re.search(r"\bS[OAU][A-Z2-7]{54}", config)
    account = claims_of(re.findall(rf"{keys.account}: (\S+)", config)[0])
    assert account["nats"]["signing_keys"] == [public(seed) for seed in keys.signing_seeds]
    assert account["iss"] == public(keys.operator_seed)
    operator = claims_of(re.findall(r"operator: (\S+)", config)[0])
    assert operator["nats"]["system_account"] == keys.system_account
    assert operator["iss"] == operator["sub"] == public(keys.operator_seed)


def test_nats_keys_files_of_components_contain_no_operator_seed() -> None:
    keys = made()
    for name, text in keys.files().items():
        assert (keys.operator_seed in text) == (name == nats_keys.ROOT)
        assert (keys.signing_seeds[0] in text) == (name in {nats_keys.ROOT, nats_keys.SIGNING})


def test_nats_keys_read_back_are_equal() -> None:
    keys = made("first")
    assert read_root(keys.files()[nats_keys.ROOT].encode()).files() == keys.files()
    assert keys.rotated("first", drawn()) is keys


def test_nats_keys_rotation_renews_the_signing_keys_and_keeps_the_account() -> None:
    keys = made()
    once = keys.rotated("1", lambda size: b"1" * size)
    twice = once.rotated("2", lambda size: b"2" * size)

    assert (
        (once.account, once.operator_seed) == (twice.account, twice.operator_seed) == (keys.account, keys.operator_seed)
    )
    assert once.signing_seeds[1:] == keys.signing_seeds
    assert twice.signing_seeds[1:] == once.signing_seeds[:1], "the one before the last counts no longer"
    assert once.signing_key.of_workers("a", "b", "c") != keys.signing_key.of_workers("a", "b", "c")


def test_nats_keys_name_of_an_earlier_rotation_rotates_nothing() -> None:
    """As `helm rollback` over a rotation requests it."""
    rotated = made().rotated("1", drawn()).rotated("2", drawn())
    assert rotated.rotated("1", drawn()) is rotated
    assert rotated.rotated(made().rotation, drawn()) is rotated


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"\xff",
        b"[]",
        b'{"account":"A","seed":"SASECRET","created_at":1}',
        b'{"account":"A","seed":"","created_at":1}',
    ],
)
def test_nats_keys_reject_an_invalid_signing_key_without_its_text(text: bytes) -> None:
    with pytest.raises(KeysUnreadable) as error:
        read_signing_key(text)
    assert "SECRET" not in str(error.value)


@pytest.mark.parametrize(
    "change", [{"operator_seed": "SOSECRET"}, {"signing_seeds": ["SASECRET"]}, {"signing_seeds": []}]
)
def test_nats_keys_reject_an_invalid_root_without_its_text(change: dict[str, Any]) -> None:
    kept = json.loads(made().files()[nats_keys.ROOT]) | change
    with pytest.raises(KeysUnreadable) as error:
        read_root(json.dumps(kept).encode())
    assert "SECRET" not in str(error.value)


def test_nats_keys_need_only_a_signing_key_for_the_operator() -> None:
    keys = made()
    assert read_signing_key(keys.files()[nats_keys.SIGNING].encode()) == SigningKey(
        account=keys.account, seed=keys.signing_seeds[0], created_at=keys.created_at
    )
