"""A broker that comes back without its memory: every queue and every entry is there again, the last good ones too."""

from harness.kubernetes.api import ROUTES, Api
from harness.kubernetes.model_routes import catalogue_of, condition, model_route, served, settled
from harness.kubernetes.operator_process import OperatorProcess
from harness.nats_server import NatsServer
from harness.processes import until

from penstock_broker import queue_state
from penstock_broker.connection import Connection

REFUSED = {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}


async def test_operator_restores_queues_and_entries_after_a_broker_restart(
    api: Api, namespace: str, nats: NatsServer, operator: OperatorProcess
) -> None:
    for name in ("good", "changed"):
        await api.create(ROUTES.at(namespace), model_route(name, models=(name,)))
        await api.until(ROUTES.at(namespace, name), served, "it is served")
    await api.patch(ROUTES.at(namespace, "changed"), {"spec": {"worker": {"resources": REFUSED}}})
    await api.until(ROUTES.at(namespace, "changed"), settled, "the status is about the change")
    nats.kill()
    path = ROUTES.at(namespace, "good")
    await api.until(
        path, lambda r: condition(r, "ScalingActive") == "False BrokerUnavailable", "the status says so", timeout_s=10
    )
    await api.create(ROUTES.at(namespace), model_route("meanwhile", models=("meanwhile",)))
    nats.start()
    await nats.listening()
    await api.until(path, lambda r: condition(r, "ScalingActive") == "True Active", "it is cleared", timeout_s=10)
    async with catalogue_of(nats.url) as catalogue:
        wanted = {f"{namespace}.{name}" for name in ("good", "changed", "meanwhile")}
        await until(lambda: set(catalogue) == wanted and all(e.ready for e in catalogue.values()), "all are served")
    connection = Connection(nats.url, "test", inbox_prefix="_INBOX_test")
    await connection.start()
    for name in ("good", "changed", "meanwhile"):
        assert (await queue_state.read(connection, namespace, name)).pending == 0
    await connection.close()
    assert operator.process.alive
