"""The ModelRoute resource: one spec for the cluster and the laptop, with its bounds in the types.

Field names are the resource's camelCase. `kubectl explain` and docs/reference/modelroute.md show each description;
`crd` makes the schema of it all. Rules that cross fields are in `rules`; nothing here reads a file or a secret.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from penstock_contract.route.limits import LimitsSpec, RoutingSpec
from penstock_contract.route.pod.containers import BY_NAME
from penstock_contract.route.provider import ProviderSpec
from penstock_contract.route.scaling import ScalingSpec
from penstock_contract.route.streams import StreamsSpec
from penstock_contract.route.values import DnsLabel, NamespaceName, PrintableName, RouteStruct
from penstock_contract.route.worker import WorkerSpec


class ModelSpec(RouteStruct, frozen=True, kw_only=True):
    """A model name that clients request. `*` stands for every name that no other route claims."""

    name: Annotated[
        PrintableName, Meta(description="The model's name; `*` stands for every name that no other route claims.")
    ]
    aliases: Annotated[
        list[PrintableName],
        Meta(
            max_length=8,  # 10 with 64 models of 256 characters is what the API server's budget for a rule allows
            extra_json_schema={"x-kubernetes-list-type": "set"},
            description="Other names of the model. Providers receive `name`, even if the client used an alias.",
        ),
    ] = []
    type: Annotated[Literal["Chat", "Embedding"], Meta(description="Endpoints that serve it.")] = "Chat"

    def is_called(self, name: str) -> bool:
        return name == self.name or name in self.aliases


class ModelRouteSpec(RouteStruct, frozen=True, kw_only=True):
    models: Annotated[
        list[ModelSpec],
        Meta(min_length=1, max_length=64, extra_json_schema=BY_NAME, description="Models that clients may request."),
    ]
    providers: Annotated[
        list[ProviderSpec],
        Meta(min_length=1, max_length=16, extra_json_schema=BY_NAME, description="Providers of the models."),
    ]
    routing: Annotated[RoutingSpec, Meta(description="Order and retries of a request's providers.")] = RoutingSpec()
    limits: Annotated[LimitsSpec, Meta(description="Bounds of the queue, of timeouts and of the route's use.")] = (
        LimitsSpec()
    )
    scaling: Annotated[ScalingSpec, Meta(description="Number of workers and its bounds.")] = ScalingSpec()
    streams: Annotated[StreamsSpec, Meta(description="Streams that outlive their connection.")] = StreamsSpec()
    worker: Annotated[WorkerSpec, Meta(description="Settings of the workers' pods; ignored on a laptop.")] = (
        WorkerSpec()
    )
    error_messages: Annotated[
        Literal["Show", "Hide"],
        Meta(
            description="`Show`: a client gets the provider's own message of a refused request, without"
            " credentials and addresses. `Hide`: a constant message."
        ),
    ] = "Show"
    error_messages_in_log: Annotated[
        bool,
        Meta(
            description="Write the provider's message into the worker's log, as a client would get it. It may"
            " quote the prompt."
        ),
    ] = False


class ObjectMeta(Struct, frozen=True):
    """The part of Kubernetes' metadata that matters outside a cluster; the rest is accepted and ignored."""

    name: Annotated[DnsLabel, Meta(description="The route's name; its Deployment is called `<name>-worker`.")]
    namespace: Annotated[NamespaceName, Meta(description="With the name, the route's identity.")] = "default"


class ModelRoute(Struct, frozen=True, rename="camel"):
    api_version: Annotated[Literal["penstock.dev/v1alpha1"], Meta(description="The version of these fields.")]
    kind: Annotated[Literal["ModelRoute"], Meta(description="Kind of the resource.")]
    metadata: ObjectMeta
    spec: ModelRouteSpec
