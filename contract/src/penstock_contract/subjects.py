"""Every NATS subject and stream name, built in one place.

Tokens are DNS labels (namespace, route) or ids that we made ourselves; nothing that a client typed becomes a token.
"""

import re
from typing import Final

TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,63}")
CATALOGUE_BUCKET: Final = "routes"
ANONYMOUS_TENANT: Final = "anonymous"
CONSUMER: Final = "workers"
"""The one durable consumer of a route's queue."""


def _token(value: str) -> str:
    if not TOKEN.fullmatch(value):
        raise ValueError(f"not a subject token: {value!r}")
    return value


def request(namespace: str, route: str, tenant: str) -> str:
    return f"penstock.requests.{_token(namespace)}.{_token(route)}.{_token(tenant)}"


def request_filter(namespace: str, route: str) -> str:
    return f"penstock.requests.{_token(namespace)}.{_token(route)}.*"


def queue(namespace: str, route: str) -> str:
    """Name of the route's JetStream work queue; `_` cannot occur in a DNS label, so the name is unambiguous."""
    return f"REQUESTS_{_token(namespace)}_{_token(route)}"


def reply(gateway: str, namespace: str, route: str) -> str:
    return f"penstock.replies.{_token(gateway)}.{_token(namespace)}.{_token(route)}"


def reply_filter(gateway: str) -> str:
    return f"penstock.replies.{_token(gateway)}.>"


def reply_route(subject: str) -> str:
    """`namespace.route` of a reply subject: a worker may publish only under its own."""
    return subject.split(".", 3)[3]


def control(namespace: str, route: str, worker: str) -> str:
    return f"penstock.control.{_token(namespace)}.{_token(route)}.{_token(worker)}"


def control_all(namespace: str, route: str) -> str:
    """Heard by every worker of the route; for a stream whose worker is not known yet."""
    return f"penstock.control.{_token(namespace)}.{_token(route)}"


def worker_heartbeat(namespace: str, route: str, worker: str) -> str:
    return f"penstock.workers.{_token(namespace)}.{_token(route)}.{_token(worker)}"


ALL_WORKER_HEARTBEATS: Final = "penstock.workers.>"


def gateway_heartbeat(gateway: str) -> str:
    return f"penstock.gateways.{_token(gateway)}"


ALL_GATEWAY_HEARTBEATS: Final = "penstock.gateways.*"


def catalogue_key(namespace: str, route: str) -> str:
    return f"{_token(namespace)}.{_token(route)}"
