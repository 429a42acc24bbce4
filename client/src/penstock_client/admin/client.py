"""The admin API for the commands of an operator: where it is, and one call at a time."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx
import msgspec

from penstock_client.errors import invalid, refused
from penstock_client.http_messages import default_headers
from penstock_client.transport import translated_request_errors
from penstock_contract import dev_run_file
from penstock_contract.dev_run_file import AdminAddress

DEFAULT_URL = "http://127.0.0.1:8081"
TIMEOUT_S = 30.0

Answer = TypeVar("Answer")


class NoAdmin(Exception):  # noqa: N818 - the message is the whole information
    """No admin API is known; the message names the setting."""


def address(environ: Mapping[str, str], url: str | None = None, parent: Path | None = None) -> AdminAddress:
    """The admin API at `url` or PENSTOCK_ADMIN_URL with PENSTOCK_ADMIN_TOKEN, else that of a running `penstock dev`.

    Raises `NoAdmin`.
    """
    token = environ.get("PENSTOCK_ADMIN_TOKEN", "").strip()
    url = url or environ.get("PENSTOCK_ADMIN_URL")
    if token:
        return AdminAddress((url or DEFAULT_URL).rstrip("/"), token)
    runs = [run for run in dev_run_file.find_running(parent) if url is None or run.url == url.rstrip("/")]
    if len(runs) == 1:
        return runs[0]
    if runs:
        urls = ", ".join(run.url for run in runs)
        raise NoAdmin(f"several `penstock dev` run here ({urls}): name one with --url")
    raise NoAdmin("PENSTOCK_ADMIN_TOKEN is not set, and no `penstock dev` of yours runs on this machine")


class AdminClient:
    """Close it, or use it as a context manager."""

    def __init__(self, at: AdminAddress) -> None:
        self._http = httpx.Client(
            base_url=at.url, headers=default_headers(at.token), timeout=TIMEOUT_S, follow_redirects=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        answer: type[Answer],
        *,
        body: msgspec.Struct | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """Raises `GatewayError`. Nothing is tried again: a key that was made is not to be made twice."""
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if body is None else {"content-type": "application/json"}
        with translated_request_errors():
            response = self._http.request(method, path, content=content, headers=headers, params=query)
        if not response.is_success:
            raise refused(response.status_code, response.headers, response.content, 0)
        try:
            return msgspec.json.decode(response.content, type=answer)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            message = f"{path} did not answer with a {answer.__name__}"
            raise invalid(message, response.headers.get("x-request-id")) from error
