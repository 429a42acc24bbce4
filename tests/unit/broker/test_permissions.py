"""The permissions of each role, evaluated by the broker's rules."""

import pytest

from penstock_broker import permissions
from penstock_broker.permissions import FIXED_STREAMS, Permissions
from penstock_contract import subjects

WORKER = permissions.worker("team", "chat")
ROLES = {"gateway": permissions.gateway(), "operator": permissions.operator(), "worker": WORKER}
KEYS = subjects.bucket_stream(subjects.KEYS_BUCKET)


def matches(pattern: str, subject: str) -> bool:
    """NATS' rule: `*` is one token, `>` is one or more at the end."""
    wanted, given = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        wanted.pop()
        return len(given) > len(wanted) and all(a in {"*", b} for a, b in zip(wanted, given, strict=False))
    return len(wanted) == len(given) and all(a in {"*", b} for a, b in zip(wanted, given, strict=True))


def may_publish(role: Permissions, subject: str) -> bool:
    denied = any(matches(pattern, subject) for pattern in role.never_publish)
    return not denied and any(matches(pattern, subject) for pattern in role.publish)


def may_subscribe(role: Permissions, subject: str) -> bool:
    return any(matches(pattern, subject) for pattern in role.subscribe)


@pytest.mark.parametrize("role", ROLES)
def test_permissions_of_no_role_are_unrestricted(role: str) -> None:
    allowed = ROLES[role]
    for pattern in (*allowed.publish, *allowed.subscribe):
        assert not pattern.startswith((">", "*")), pattern
        assert pattern not in {"$JS.API.>", "$JS.>", "$KV.>", "_INBOX.>", "penstock.>"}


@pytest.mark.parametrize(
    ("subject", "allowed"),
    [
        (subjects.reply("gw-1", "team", "chat"), True),
        (subjects.reply("gw-1", "team", "other"), False),
        (subjects.reply("gw-1", "other", "chat"), False),
        (subjects.worker_heartbeat("team", "chat", "w"), True),
        (subjects.worker_heartbeat("team", "other", "w"), False),
        (subjects.usage("team", "chat", "gw-1", "req"), True),
        (subjects.usage("team", "other", "gw-1", "req"), False),
        (f"$JS.API.DIRECT.GET.USAGE.{subjects.usage('team', 'chat', 'gw-1', 'req')}", True),
        (f"$JS.API.DIRECT.GET.USAGE.{subjects.usage('team', 'other', 'gw-1', 'req')}", False),
        ("$JS.API.DIRECT.GET.USAGE", False),
        (subjects.checkpoint("team", "chat", "w"), True),
        (subjects.checkpoint("team", "other", "w"), False),
        (subjects.request("team", "chat", "tenant"), False),
        (subjects.control("team", "chat", "w"), False),
        (subjects.activation("team", "chat"), False),
        (subjects.gateway_heartbeat("gw-1"), False),
        (subjects.gateway_report("gw-1"), False),
        ("$JS.API.CONSUMER.MSG.NEXT.REQUESTS_team_chat.workers", True),
        ("$JS.API.CONSUMER.MSG.NEXT.REQUESTS_team_other.workers", False),
        ("$JS.ACK.REQUESTS_team_chat.workers.1.2.3.4.5", True),
        ("$JS.ACK.REQUESTS_team_other.workers.1.2.3.4.5", False),
        ("$JS.API.CONSUMER.CREATE.REQUESTS_team_chat", False),
        ("$JS.API.STREAM.MSG.GET.REQUESTS_team_chat", False),
        ("$JS.API.CONSUMER.CREATE.KV_routes", True),
        ("$KV.routes.team.chat", False),
        (f"$JS.API.CONSUMER.CREATE.{KEYS}", False),
        (f"$JS.API.STREAM.MSG.GET.{KEYS}", False),
        (f"$JS.API.DIRECT.GET.{KEYS}.$KV.keys.a.b", False),
        (f"$JS.API.STREAM.INFO.{KEYS}", False),
        ("$KV.keys.a.b", False),
        ("$KV.limits.key.a", False),
    ],
)
def test_permissions_of_a_worker_publish_for_its_route_and_read_its_queue(subject: str, allowed: bool) -> None:
    assert may_publish(WORKER, subject) is allowed


@pytest.mark.parametrize(
    ("subject", "allowed"),
    [
        (subjects.control_all("team", "chat"), True),
        (subjects.control("team", "chat", "w"), True),
        (subjects.control("team", "other", "w"), False),
        (subjects.gateway_heartbeat("gw-1"), True),
        (subjects.gateway_report("gw-1"), False),
        (subjects.reply("gw-1", "team", "chat"), False),
        (subjects.request("team", "chat", "tenant"), False),
        (subjects.usage("team", "chat", "gw-1", "req"), False),
        (f"{subjects.worker_inbox('team', 'chat')}.x", True),
        (f"{subjects.worker_inbox('team', 'other')}.x", False),
        (f"{subjects.GATEWAY_INBOX}.x", False),
        (f"{subjects.OPERATOR_INBOX}.x", False),
        ("_INBOX.x", False),
        ("$KV.keys.a.b", False),
    ],
)
def test_permissions_of_a_worker_subscribe_to_its_routes_messages(subject: str, allowed: bool) -> None:
    assert may_subscribe(WORKER, subject) is allowed


def test_permissions_of_routes_with_a_common_prefix_are_separate() -> None:
    first, second = permissions.worker("a", "b-c"), permissions.worker("a-b", "c")
    for pattern in set(first.publish) & set(second.publish):
        assert subjects.CATALOGUE_BUCKET in pattern
    assert set(first.subscribe) & set(second.subscribe) == {subjects.ALL_GATEWAY_HEARTBEATS}


@pytest.mark.parametrize("role", ["gateway", "worker"])
@pytest.mark.parametrize("stream", [*FIXED_STREAMS, "REQUESTS_team_chat"])
@pytest.mark.parametrize("verb", ["CREATE", "UPDATE", "DELETE", "PURGE"])
def test_permissions_to_create_or_delete_a_stream_belong_to_the_operator(role: str, stream: str, verb: str) -> None:
    # The gateway deletes the kept frames of a stopped stream, by their subject: NATS has only a purge for that.
    allowed = (role, stream, verb) == ("gateway", subjects.STREAMS, "PURGE")
    assert may_publish(ROLES[role], f"$JS.API.STREAM.{verb}.{stream}") is allowed


@pytest.mark.parametrize("stream", FIXED_STREAMS)
def test_permissions_of_the_operator_delete_queues_and_no_permanent_stream(stream: str) -> None:
    operator = ROLES["operator"]
    assert may_publish(operator, f"$JS.API.STREAM.CREATE.{stream}")
    assert may_publish(operator, "$JS.API.STREAM.DELETE.REQUESTS_team_chat")
    assert not may_publish(operator, f"$JS.API.STREAM.DELETE.{stream}")
    assert not may_publish(operator, f"$JS.API.STREAM.PURGE.{stream}")
    assert not may_publish(operator, f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.workers")


@pytest.mark.parametrize("stream", FIXED_STREAMS)
def test_permissions_of_a_gateway_delete_requests_and_no_usage_record(stream: str) -> None:
    gateway = ROLES["gateway"]
    assert may_publish(gateway, "$JS.API.STREAM.MSG.DELETE.REQUESTS_team_chat")
    assert not may_publish(gateway, f"$JS.API.STREAM.MSG.DELETE.{stream}")


def test_permissions_of_a_gateway_neither_pull_requests_nor_publish_as_a_worker() -> None:
    gateway = ROLES["gateway"]
    assert may_publish(gateway, subjects.request("team", "chat", "tenant"))
    assert not may_publish(gateway, "$JS.API.CONSUMER.MSG.NEXT.REQUESTS_team_chat.workers")
    assert not may_publish(gateway, subjects.reply("gw-1", "team", "chat"))
    assert not may_publish(gateway, "$KV.routes.team.chat")
    assert not may_subscribe(gateway, subjects.request("team", "chat", "tenant"))
