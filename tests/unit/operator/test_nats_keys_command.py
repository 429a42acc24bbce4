"""`penstock nats-keys`: makes an installation's keys once, and keeps them."""

import base64
import json
from typing import Any

import pytest
from unit.support.virtual_time import virtual_time

from penstock_operator.kube.api_error import ApiError
from penstock_operator.nats import keys as nats_keys
from penstock_operator.nats.keys import KeysUnreadable, read_root
from penstock_operator.nats.keys_command import GIVE_UP_S, main, provide, with_retries


class Store:
    """An API server with one Secret."""

    def __init__(self) -> None:
        self.secret: dict[str, Any] | None = None
        self.writes = 0

    async def read_secret(self, namespace: str, name: str) -> dict[str, Any] | None:
        assert (namespace, name) == ("ai", "keys")
        return self.secret

    async def apply(self, body: dict[str, Any]) -> dict[str, Any]:
        assert (body["metadata"]["namespace"], body["metadata"]["name"]) == ("ai", "keys")
        self.secret = body
        self.writes += 1
        return body

    def file(self, name: str) -> str:
        assert self.secret is not None
        return base64.b64decode(self.secret["data"][name]).decode()


async def test_nats_keys_command_makes_keys_once_and_reuses_them() -> None:
    store = Store()
    assert await provide(store, "ai", "keys", "") == "was created"
    before = store.secret
    assert await provide(store, "ai", "keys", "") == "is up to date"
    assert (store.secret, store.writes) == (before, 1)


async def test_nats_keys_command_updates_what_is_derived_from_the_keys() -> None:
    store = Store()
    await provide(store, "ai", "keys", "")
    assert store.secret is not None
    root, right = store.file(nats_keys.ROOT), store.file(nats_keys.GATEWAY)
    store.secret["data"][nats_keys.GATEWAY] = base64.b64encode(b"of an older version").decode()

    assert await provide(store, "ai", "keys", "") == "was updated"
    assert (store.file(nats_keys.ROOT), store.file(nats_keys.GATEWAY)) == (root, right)


async def test_nats_keys_command_rotates_once() -> None:
    store = Store()
    await provide(store, "ai", "keys", "")
    old = read_root(store.file(nats_keys.ROOT).encode())
    for _ in range(2):
        await provide(store, "ai", "keys", "2027")
    new = read_root(store.file(nats_keys.ROOT).encode())

    assert store.writes == 2
    assert new.account == old.account
    assert new.signing_seeds[1:] == old.signing_seeds


async def test_nats_keys_command_writes_the_version_that_it_was_called_for() -> None:
    store = Store()
    await provide(store, "ai", "keys", "", "penstock:1")
    assert await provide(store, "ai", "keys", "", "penstock:1") == "is up to date"
    data = store.secret["data"] if store.secret else {}
    assert await provide(store, "ai", "keys", "", "penstock:2") == "was updated"

    assert store.secret is not None
    assert store.secret["metadata"]["annotations"] == {"penstock.dev/made-for": "penstock:2"}
    assert (store.secret["data"], store.writes) == (data, 2)


@virtual_time
async def test_nats_keys_command_gives_up_before_its_job_does() -> None:
    tries = 0

    async def unreachable() -> str:
        nonlocal tries
        tries += 1
        raise ApiError("Unavailable", "cannot connect", retry_after_s=GIVE_UP_S / 2)

    with pytest.raises(ApiError, match="cannot connect"):
        await with_retries(unreachable)
    assert tries == 3


async def test_nats_keys_command_leaves_a_foreign_secret_alone() -> None:
    store = Store()
    store.secret = {"data": {"password": "c2VjcmV0"}}
    with pytest.raises(KeysUnreadable, match=r"has no root\.json"):
        await provide(store, "ai", "keys", "")
    assert store.writes == 0


def test_nats_keys_command_prints_a_whole_secret_without_a_cluster(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["penstock nats-keys", "--secret", "mine"])
    main()
    printed = json.loads(capsys.readouterr().out)

    assert (printed["kind"], printed["metadata"]["name"]) == ("Secret", "mine")
    assert set(printed["data"]) == {
        nats_keys.ROOT,
        nats_keys.SIGNING,
        nats_keys.SERVER,
        nats_keys.OPERATOR,
        nats_keys.GATEWAY,
    }
