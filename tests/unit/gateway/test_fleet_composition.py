"""The view of the fleet from what was read of it."""

from msgspec.structs import replace
from unit.support.routes import spec

from penstock_broker.queue_state import QueueState
from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.fleet.gateway_report import GatewayReport, RouteCounts
from penstock_contract.fleet.view import Fleet, KeySpend, SpendToday
from penstock_contract.stream.frames import WorkerHeartbeat
from penstock_gateway.fleet.composition import FleetReadings, compose
from penstock_gateway.fleet.spending import Spending

FIRST_TOKEN = [(0.1, 4), (float("inf"), 4)]


def counts(route: str, **fields: object) -> RouteCounts:
    return replace(RouteCounts(route=route), **fields)


def beat(worker: str, in_flight: int, *, draining: bool = False) -> WorkerHeartbeat:
    return WorkerHeartbeat(worker, 8, in_flight, draining, "1")


def entry(name: str, created_at: int, **fields: object) -> CatalogueEntry:
    return replace(CatalogueEntry(namespace="team", name=name, created_at=created_at, spec=spec(name)), **fields)


def readings(**fields: object) -> FleetReadings:
    spent = [KeySpend(key="key_1", name="Ada", requests=2, cost="0.5")]
    today = SpendToday(since=0, read_at=1.0, complete=True, total="0.5", keys=spent)
    read = FleetReadings(
        at=5.0,
        broker_connected=True,
        gateways=["gw-2", "gw-1"],
        reports=[
            GatewayReport(
                gateway="gw-1",
                version="1",
                in_flight=3,
                routes=[counts("team.chat", requests=5, errors={"queue_full": 1}, first_token=FIRST_TOKEN)],
            ),
            GatewayReport(
                gateway="gw-2",
                version="1",
                routes=[
                    counts("team.chat", requests=10, errors={"queue_full": 2, "stopped": 1}, output_tokens=7),
                    counts("team.gone", requests=1),
                ],
            ),
        ],
        entries=[entry("old", 1, ready=False, reason="no image"), entry("chat", 2, cause="no node")],
        heartbeats=[("team.chat", beat("a", 5)), ("team.chat", beat("b", 2, draining=True))],
        queues={"team.chat": QueueState(pending=4, ack_pending=1)},
        spending=Spending(today, {"team.chat": spent}),
    )
    return replace(read, **fields)


def composed(read: FleetReadings) -> Fleet:
    return compose(read, lambda gateway, route: {"gw-1": 1.5, "gw-2": 2.25}[gateway] if route == "team.chat" else 0.0)


def test_fleet_sums_all_gateways_and_shows_its_own_counts_beside() -> None:
    route = composed(readings()).routes[1]
    assert (route.fleet.requests, route.this_gateway.requests) == (15, 5)
    assert (route.fleet.failed, route.fleet.errors) == (4, {"queue_full": 3, "stopped": 1})
    assert (route.this_gateway.failed, route.this_gateway.errors) == (1, {"queue_full": 1})
    assert (route.fleet.output_tokens, route.this_gateway.output_tokens) == (7, 0)
    assert (route.fleet.output_tokens_per_second, route.this_gateway.output_tokens_per_second) == (3.8, 1.5)
    assert route.fleet.first_token.count == 4


def test_fleet_takes_load_from_heartbeats_and_the_queue() -> None:
    route = composed(readings()).routes[1]
    assert (route.waiting, route.delivered) == (4, 1)
    assert (route.workers, route.draining, route.slots, route.in_flight) == (1, 1, 8, 7)
    assert (route.cost_today, [one.name for one in route.spend_today]) == ("0.5", ["Ada"])


def test_fleet_lists_the_catalogue_and_removed_routes_that_are_counted() -> None:
    routes = composed(readings()).routes
    assert [(route.route, route.state) for route in routes] == [
        ("team.old", "not_ready"),
        ("team.chat", "ready"),
        ("team.gone", "removed"),
    ]
    assert [route.reason for route in routes][:2] == ["no image", "no node"]


def test_fleet_shows_an_unknown_queue_as_unknown() -> None:
    route = composed(readings(queues={})).routes[1]
    assert (route.waiting, route.delivered) == (None, None)


def test_fleet_names_a_gateway_that_does_not_report() -> None:
    fleet = composed(readings(reports=readings().reports[:1]))
    assert [(one.gateway, one.reports, one.in_flight) for one in fleet.gateways] == [
        ("gw-1", True, 3),
        ("gw-2", False, 0),
    ]
    assert fleet.routes[1].fleet == fleet.routes[1].this_gateway


def test_fleet_before_the_first_heartbeat_of_its_gateway_lists_it() -> None:
    fleet = composed(readings(gateways=[]))
    assert [one.gateway for one in fleet.gateways] == ["gw-1", "gw-2"]
