"""Every generated part of the pages, by the name in its marker."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from generate import chart, commands, conditions, endpoints, errors, messages, metrics, model_route, providers, settings
from penstock_gateway.settings import GatewaySettings
from penstock_operator.settings import OperatorSettings
from penstock_operator.status.reasons import EXPLANATIONS
from penstock_worker.settings import WorkerSettings

SECTIONS: Final[Mapping[str, Callable[[], str]]] = {
    "settings of the gateway": partial(settings.variables, GatewaySettings),
    "settings of the worker": partial(settings.variables, WorkerSettings),
    "settings of the operator": partial(settings.variables, OperatorSettings),
    "commands": commands.listing,
    **{f"command {name}": partial(commands.page, name) for name in commands.names()},
    **{name: partial(model_route.spec, *prefixes) for name, prefixes in model_route.groups().items()},
    "fields of the status": model_route.status,
    "columns of kubectl get": model_route.columns,
    "rules": model_route.rules,
    "rules in a cluster": model_route.cluster_rules,
    "failures with another try": model_route.failures,
    "variables of secrets": model_route.secrets,
    "errors of the API": partial(errors.codes, "client"),
    "errors of the admin API": partial(errors.codes, "admin"),
    "errors in logs": partial(errors.codes, "log"),
    **{f"reasons of {type_}": partial(conditions.reasons, type_) for type_ in EXPLANATIONS},
    "problems of pods": conditions.pod_problems,
    "metrics of the gateway": lambda: metrics.instruments(metrics.gateway()),
    "metrics of the worker": lambda: metrics.instruments(metrics.worker()),
    "metrics of the operator": lambda: metrics.instruments(metrics.operator()),
    "fields of a chat request": providers.chat,
    "fields of an embeddings request": providers.embeddings,
    "fields that steer": providers.steering,
    "fields of a messages request": messages.fields,
    "types of errors of messages": messages.error_types,
    "endpoints of the client": endpoints.declared,
    "endpoints of the TypeScript client": endpoints.functions,
    "values of the chart": chart.values,
}
