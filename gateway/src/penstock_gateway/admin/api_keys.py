"""Manages API keys over HTTP. Only the response that creates a secret contains it."""

import structlog
from litestar import Response, delete, get, post
from litestar.params import JSONBody

from penstock_contract.errors import PenstockError
from penstock_contract.limits.api_keys import KeyList, KeyRecord, KeySpec, KeyView, Rotation, is_id
from penstock_gateway.admin.dependencies import AdminDependencies

NO_STORE = {"cache-control": "no-store"}

log = structlog.get_logger("penstock.gateway")


@post("/admin/keys", status_code=201)
async def create(data: JSONBody[KeySpec], admin: AdminDependencies) -> Response[KeyView]:
    if found := data.invisible_in():
        field, char = found
        message = f"{field}: it contains an invisible character ({char}); leave it out"
        raise PenstockError("invalid_request", message, param=field)
    record, secret = await admin.keys.create(data)
    log.info("admin.key_created", key_id=record.id)
    return _shown_once(record, secret, admin)


@get("/admin/keys")
async def list_keys(admin: AdminDependencies) -> KeyList:
    now = admin.clock.unix()
    return KeyList([KeyView.of(record, now) for record in await admin.keys.all()])


@get("/admin/keys/{key_id:str}")
async def show(key_id: str, admin: AdminDependencies) -> KeyView:
    return KeyView.of(await admin.keys.get(_checked(key_id)), admin.clock.unix())


@delete("/admin/keys/{key_id:str}", status_code=200)
async def revoke(key_id: str, admin: AdminDependencies) -> KeyView:
    """Reject the key on every gateway; its open streams continue to their end."""
    record = await admin.keys.revoke(_checked(key_id))
    log.info("admin.key_revoked", key_id=record.id)
    return KeyView.of(record, admin.clock.unix())


@post("/admin/keys/{key_id:str}/rotate", status_code=200)
async def rotate(key_id: str, data: JSONBody[Rotation], admin: AdminDependencies) -> Response[KeyView]:
    record, secret = await admin.keys.rotate(_checked(key_id), data.grace_seconds)
    log.info("admin.key_rotated", key_id=record.id, grace_s=data.grace_seconds)
    return _shown_once(record, secret, admin)


def _shown_once(record: KeyRecord, secret: str, admin: AdminDependencies) -> Response[KeyView]:
    return Response(KeyView.of(record, admin.clock.unix(), secret=secret), headers=NO_STORE)


def _checked(key_id: str) -> str:
    if not is_id(key_id):
        raise PenstockError("key_not_found", "there is no key with this id")
    return key_id
