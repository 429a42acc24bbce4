"""Streams of a ModelRoute that outlive their connection."""

from typing import Annotated

from msgspec import Meta

from penstock_contract.route.values import RouteStruct
from penstock_contract.stream.descriptor import OnDisconnect


class StreamsSpec(RouteStruct, frozen=True, kw_only=True):
    """Times in seconds. A request's header may choose another policy than the route's, within the two times."""

    on_disconnect: Annotated[
        OnDisconnect,
        Meta(
            description="What a disconnect does. `Cancel`: ends the provider's call. `Grace`: ends it unless the stream"
            " is read again within `graceSeconds`. `Detach`: the stream runs to its end."
        ),
    ] = "Cancel"
    grace_seconds: Annotated[
        Annotated[float, Meta(ge=0, le=86_400)],
        Meta(
            description="Time in which a stream without a reader waits for one. Also the longest grace that a request"
            " may choose; 0: none."
        ),
    ] = 30.0
    keep_seconds: Annotated[
        Annotated[float, Meta(ge=0, le=604_800)],
        Meta(
            description="Time for which the broker stores the answers of streams with grace or detach, so that they can"
            " be read again. 0: no answer is stored, and no request may choose `detach`."
        ),
    ] = 0.0
