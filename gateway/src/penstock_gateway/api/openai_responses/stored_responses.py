"""OpenAI's Responses API, of stored responses: read, read the stream again, cancel, delete, list the input."""

from typing import Annotated, Any

from litestar import Response, delete, get, post
from litestar.params import Parameter

from penstock_contract.endpoints import CANCEL_RESPONSE, RESPONSE_INPUT_ITEMS, STORED_RESPONSE
from penstock_contract.openai_responses.response import DeletedResponse, InputItems
from penstock_contract.openai_responses.stored import listed
from penstock_contract.request.json_body import invalid
from penstock_gateway.api.dependencies import ApiDependencies
from penstock_gateway.api.json_request import ClientRequest
from penstock_gateway.api.openapi.operations import ERRORS, RESPONSE_ANSWER
from penstock_gateway.responses.stored_responses import request_id_of
from penstock_gateway.streaming.output.sse_response import EventStream

PAGE_MAX = 100
PAGE = 20


@get(STORED_RESPONSE.path, responses={200: RESPONSE_ANSWER, **ERRORS})
async def read_response_again(
    response_id: str,
    request: ClientRequest,
    api: ApiDependencies,
    stream: bool = False,
    starting_after: Annotated[int | None, Parameter(description="The last `sequence_number` that was read.")] = None,
) -> Response[Any]:
    """A stored response as it is now, or with `stream=true` its events."""
    if not stream:
        if starting_after is not None:
            raise invalid("needs stream=true", "starting_after")
        made = await api.stored_responses.get(response_id, request.context)
        return Response(made, media_type="application/json")
    if starting_after is not None and starting_after < 0:
        raise invalid("must be at least 0", "starting_after")
    await api.stored_responses.find(response_id, request.context)
    after = 0 if starting_after is None else starting_after + 1
    opened = await api.streams.read(request_id_of(response_id), after, request.context)
    return EventStream(api.streams, opened)


@post(CANCEL_RESPONSE.path, status_code=200, responses={200: RESPONSE_ANSWER, **ERRORS})
async def cancel_response(response_id: str, request: ClientRequest, api: ApiDependencies) -> Response[Any]:
    """End a background response; it stays readable, as cancelled."""
    made = await api.stored_responses.cancel(response_id, request.context)
    return Response(made, media_type="application/json")


@delete(STORED_RESPONSE.path, status_code=200, responses=ERRORS)
async def delete_response(response_id: str, request: ClientRequest, api: ApiDependencies) -> DeletedResponse:
    """End a response if it is in progress, and delete everything of it."""
    await api.stored_responses.delete(response_id, request.context)
    return DeletedResponse(response_id)


@get(RESPONSE_INPUT_ITEMS.path, responses=ERRORS)
async def response_input_items(
    response_id: str,
    request: ClientRequest,
    api: ApiDependencies,
    limit: int = PAGE,
    order: str = "desc",
    after: str | None = None,
) -> InputItems:
    """The input of a stored response, newest first."""
    if not 1 <= limit <= PAGE_MAX:
        raise invalid(f"must be from 1 to {PAGE_MAX}", "limit")
    if order not in {"asc", "desc"}:
        raise invalid("must be asc or desc", "order")
    stored = await api.stored_responses.input(response_id, request.context)
    items = listed(stored, response_id.removeprefix("resp_"))
    items = items if order == "asc" else items[::-1]
    if after is not None:
        ids = [item["id"] for item in items]
        if after not in ids:
            raise invalid("no item of this response has this id", "after")
        items = items[ids.index(after) + 1 :]
    page = items[:limit]
    first, last = (page[0]["id"], page[-1]["id"]) if page else (None, None)
    return InputItems(page, first, last, len(items) > limit)
