"""`GET` and `DELETE /v1/streams/{id}`: read a stream again, and stop it; `GET …/usage`: its usage record."""

from typing import Annotated, Final

from litestar import delete, get
from litestar.params import Parameter

from penstock_broker.stores.usage import read_row
from penstock_contract.endpoint_responses import StoppedStream, StreamUsage
from penstock_contract.endpoints import STREAM_ID, STREAMS_PATH
from penstock_contract.errors import PenstockError
from penstock_gateway.api.dependencies import ApiDependencies
from penstock_gateway.api.json_request import ClientRequest
from penstock_gateway.api.openapi.operations import ANY_STREAM, ERRORS
from penstock_gateway.resume.stream_finder import not_found
from penstock_gateway.streaming.output.sse_response import EventStream

LAST_EVENT_ID: Final = "last-event-id"
AFTER_MAX: Final = 2**53


@get(f"{STREAMS_PATH}/{{stream_id:str}}", responses={200: ANY_STREAM, **ERRORS})
async def read_stream(
    stream_id: str,
    request: ClientRequest,
    api: ApiDependencies,
    after: Annotated[str | None, Parameter(description="Number of events to leave out: those that were read.")] = None,
) -> EventStream:
    """Read a stream again, in its own dialect: the rest of it after the first N events."""
    _check(stream_id)
    header = request.headers.get(LAST_EVENT_ID)
    text, name = (header, LAST_EVENT_ID) if after is None else (after, "after")
    opened = await api.streams.read(stream_id, 0 if text is None else _count(text, name), request.context)
    return EventStream(api.streams, opened)


@delete(f"{STREAMS_PATH}/{{stream_id:str}}", status_code=200, responses=ERRORS)
async def stop_stream(stream_id: str, request: ClientRequest, api: ApiDependencies) -> StoppedStream:
    """Stop a stream: its provider's call ends, every reader gets the end, and nothing of it is kept."""
    _check(stream_id)
    await api.streams.stop(stream_id, request.context)
    return StoppedStream(stream_id)


@get(f"{STREAMS_PATH}/{{stream_id:str}}/usage", responses=ERRORS)
async def stream_usage(stream_id: str, request: ClientRequest, api: ApiDependencies) -> StreamUsage:
    """Read a stream's usage record: tokens, cost and times. Readable as long as the stream itself."""
    _check(stream_id)
    descriptor, found = await api.streams.find(stream_id, request.context)
    row = await read_row(api.connection, descriptor.route, descriptor.gateway, stream_id)
    if row is None and found is not None:
        # A record is written a moment after the first event, and a moment after the end.
        return StreamUsage(
            id=stream_id,
            model=descriptor.rendering.model,
            input_tokens=0,
            cached_input_tokens=0,
            output_tokens=0,
            estimated=True,
            cost="0",
            first_token_s=None,
            duration_s=0.0,
            ended=None,
        )
    if row is None:
        raise not_found(stream_id)
    tokens = row.tokens
    return StreamUsage(
        row.id,
        row.model,
        tokens.input,
        tokens.cached_input,
        tokens.output,
        tokens.estimated,
        row.cost,
        row.first_token_s,
        row.duration_s,
        row.ended,
    )


def _check(stream_id: str) -> None:
    if not STREAM_ID.fullmatch(stream_id):
        raise not_found(stream_id[:40])


def _count(text: str, name: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 17 and int(text) <= AFTER_MAX):
        raise PenstockError("invalid_request", f"{name}: write the number of events that were read", param=name)
    return int(text)
