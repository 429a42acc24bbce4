"""One NATS connection, with workarounds for nats-py's defaults.

Facts (nats-py 2.16, reproduced): an exception in `error_cb` must not reach the read loop, or it ends with
`is_connected` still true; the default ping interval detects that only after minutes; after 60 attempts nats-py would
stop connecting.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec
import structlog
from nats.errors import ConnectionClosedError, Error, NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError

from penstock_broker.client.deliveries import Callback, guarded, replying, replying_later
from penstock_broker.client.nats_client import UNSENT_BYTES_MAX, NatsClient
from penstock_broker.client.socket_transport import message_headers
from penstock_broker.credentials import CredentialsUnreadable, NatsCredentials
from penstock_broker.errors import NO_ANSWER, NOT_CONNECTED, broker_unavailable, translated
from penstock_broker.log_throttle import LogThrottle
from penstock_runtime.cancellation import cancel_and_wait

RECONNECT_WAIT_S = 0.2
PING_INTERVAL_S = 5
PING_OUTSTANDING_MAX = 2
CLOSE_S = 5.0
REFUSALS = ("Authorization Violation", "Authentication", "authorization failed")

log = structlog.get_logger("penstock.broker")


class Reply(msgspec.Struct, frozen=True):
    """The reply to a request."""

    data: bytes
    headers: dict[str, str]


class Connection:
    """Connects in the background, without giving up; `on_connected` hooks run after each connect.

    `url` may be several addresses of one cluster, with commas; one that answers is enough. `credentials` is the path of
    a credentials file; None without authentication, or with a password in the URL. Call `close` after `start`.
    """

    def __init__(self, url: str, name: str, *, inbox_prefix: str, credentials: str | None = None) -> None:
        self._urls = [one.strip() for one in url.split(",")]
        self._credentials = None if credentials is None else NatsCredentials(credentials)
        self._name = name
        self._inbox_prefix = inbox_prefix
        self._client = NatsClient()
        self._listeners: list[tuple[str, Callback]] = []
        self._served: list[tuple[str, Callable[[bytes], bytes]]] = []
        self._served_later: list[tuple[str, Callable[[bytes], Awaitable[bytes]]]] = []
        self._hooks: list[Callable[[], Awaitable[None]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._connecting: asyncio.Task[None] | None = None
        self._closing = False
        self._throttle = LogThrottle()

    @property
    def connected(self) -> bool:
        return self._client.is_connected

    @property
    def descriptor(self) -> int:
        """Of the socket; -1 while there is none."""
        return self._client.descriptor

    def write_held(self) -> None:
        """Write now what waits for the next iteration of the event loop: for a caller that blocks the loop."""
        self._client.write_held()

    @property
    def payload_bytes_max(self) -> int:
        return self._client.max_payload

    def on_connected(self, hook: Callable[[], Awaitable[None]]) -> None:
        self._hooks.append(hook)

    async def start(self, *, wait: bool = True) -> None:
        """Begin to connect; with `wait`, return only when connected and the hooks have run."""
        self._connecting = asyncio.create_task(self._connect())
        if wait:
            await self._connecting

    async def close(self) -> None:
        """At any time, also before `start` or while it connects; takes at most about `CLOSE_S`."""
        self._closing = True
        tasks = [*self._tasks, *([] if self._connecting is None else [self._connecting])]
        await cancel_and_wait(*tasks, timeout_s=CLOSE_S)
        # A task of its own: if the broker has crashed, nats-py's close raises a CancelledError that is not ours, out of
        # the writer's future that the task cancelled above was waiting for.
        closing = asyncio.create_task(self._close_client())
        try:
            await asyncio.wait({closing}, timeout=CLOSE_S)
        finally:
            await cancel_and_wait(closing, timeout_s=CLOSE_S)

    async def _close_client(self) -> None:
        with contextlib.suppress(Error, OSError):
            if self._client.is_connected:
                await self._client.flush(timeout=2)
        # nats-py 2.16 asserts that connect got as far as its first attempt; before that it holds nothing to close.
        with contextlib.suppress(AssertionError, Error, OSError):
            await self._client.close()

    async def publish(self, subject: str, data: bytes, headers: dict[str, str] | None = None) -> None:
        """Publish without an ack. Dropped without a connection: receivers detect gaps, or callers use `request`."""
        if self._client.is_connected:
            try:
                await self._client.publish_directly(subject, data, headers=headers)
            except Error as error:
                # Too large for the broker, too much pending, or just closed: the same as lost on the network.
                log.warning("broker.publish_dropped", error=type(error).__name__, bytes=len(data))

    async def ping(self, answered: Callable[[], None]) -> None:
        """Send a PING; `answered` is called when its PONG arrives, and never if the connection is lost before."""
        client = self._client
        if client.is_connected:
            pong = asyncio.get_running_loop().create_future()
            pong.add_done_callback(lambda done: None if done.cancelled() else answered())
            # What nats-py meets when the connection is lost in this moment; then there is no PONG.
            with contextlib.suppress(Error, OSError, AssertionError, AttributeError, RuntimeError):
                await client._send_ping(pong)  # noqa: SLF001 - public is only `flush`

    async def has_no_subscriber(self, subject: str, data: bytes, *, timeout_s: float) -> bool:
        """Publish to a subject that one process subscribes to; True if the broker reports no responders.

        False without a reply: the process is connected, or the broker is unreachable.
        """
        if not self._client.is_connected:
            return False
        try:
            await self._client.request_directly(subject, data, timeout_s=timeout_s)
        except NoRespondersError:
            return True
        except (NatsTimeoutError, OSError, Error):
            return False
        return False

    async def request(
        self, subject: str, data: bytes, *, timeout_s: float, headers: dict[str, str] | None = None
    ) -> Reply:
        """Publish and wait for one reply. Raises `broker_unavailable`."""
        if not self._client.is_connected:
            raise broker_unavailable(NOT_CONNECTED)
        with translated(NO_ANSWER):
            block, answer = await self._client.request_directly(subject, data, timeout_s=timeout_s, headers=headers)
        return Reply(answer, message_headers(block))

    async def request_one(self, subject: str, data: bytes, *, timeout_s: float) -> bytes | None:
        """`request` to a subject that one process serves; None if it has no subscriber or does not reply in time."""
        if not self._client.is_connected:
            raise broker_unavailable(NOT_CONNECTED)
        try:
            return (await self._client.request_directly(subject, data, timeout_s=timeout_s))[1]
        except (NoRespondersError, NatsTimeoutError):
            return None
        except (OSError, Error):
            raise broker_unavailable(NO_ANSWER) from None

    def serve(self, subject: str, reply: Callable[[bytes], bytes]) -> None:
        """As `listen`, for requests: `reply` makes the reply to one."""
        self._served.append((subject, reply))

    def serve_later(self, subject: str, reply: Callable[[bytes], Awaitable[bytes]]) -> None:
        """As `serve`, with a reply that takes a while."""
        self._served_later.append((subject, reply))

    def listen(self, subject: str, callback: Callback) -> None:
        """Call before `start`: subscribed before any hook runs, and again after every reconnect.

        Messages arrive one at a time, in order.
        """
        self._listeners.append((subject, callback))

    @property
    def client(self) -> NatsClient:
        """For this package only: JetStream's own calls. Replaced after the broker has closed the connection."""
        return self._client

    def new_inbox(self) -> str:
        return str(self._client.new_inbox())

    async def _connect(self) -> None:
        client, credentials = self._client, self._credentials
        while True:
            try:
                await client.connect(
                    self._urls,
                    name=self._name,
                    error_cb=self._on_error,
                    disconnected_cb=self._on_disconnected,
                    reconnected_cb=self._on_reconnected,
                    closed_cb=self._on_closed,
                    lame_duck_mode_cb=self._on_lame_duck,
                    reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]
                    max_reconnect_attempts=-1,
                    connect_timeout=2,
                    ping_interval=PING_INTERVAL_S,
                    max_outstanding_pings=PING_OUTSTANDING_MAX,
                    pending_size=UNSENT_BYTES_MAX,
                    inbox_prefix=self._inbox_prefix,
                    user_jwt_cb=None if credentials is None else credentials.jwt,
                    signature_cb=None if credentials is None else credentials.sign,
                )
            except (TimeoutError, OSError, Error) as error:
                if (times := self._throttle.due("connect", asyncio.get_running_loop().time())) is not None:
                    detail = str(error)[:200]
                    log.warning("broker.connect_failed", error=type(error).__name__, detail=detail, times=times)
                await asyncio.sleep(RECONNECT_WAIT_S)
            else:
                break
        try:
            for subject, callback in self._listeners:
                await client.receive(subject, guarded(subject, callback))
            for subject, reply in self._served:
                await client.receive(subject, replying(subject, reply, client.reply))
            for subject, later in self._served_later:
                await client.receive(subject, replying_later(subject, later, client.reply, self._spawn))
        except ConnectionClosedError:
            return  # closed by the broker again, see `_on_closed`
        log.info("broker.connected")
        self._throttle.reset()
        await self._run_hooks()

    async def _connect_anew(self) -> None:
        await asyncio.sleep(RECONNECT_WAIT_S)
        await self._connect()

    async def _run_hooks(self) -> None:
        for hook in self._hooks:
            await hook()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("broker.hook_failed", exc_info=error)

    async def _on_error(self, error: Exception) -> None:
        self._close_attempt()
        kind, detail = type(error).__name__, str(error)[:200]
        if (times := self._throttle.due(f"{kind} {detail}", asyncio.get_running_loop().time())) is None:
            return
        if isinstance(error, CredentialsUnreadable):
            log.error("broker.credentials_unreadable", detail=detail, times=times)
        elif any(word in detail for word in REFUSALS):
            # The broker gives no further reason: the token is another account's, has expired, or is missing.
            path = None if self._credentials is None else self._credentials.path
            log.error("broker.credentials_refused", credentials=path, detail=detail, times=times)
        elif "permissions violation" in detail.lower():
            # A defect of this program or of its credentials: the request will never get a reply.
            log.error("broker.not_permitted", detail=detail, times=times)
        else:
            log.warning("broker.error", error=kind, detail=detail, times=times)

    def _close_attempt(self) -> None:
        """nats-py leaves a connection open whose broker sent no INFO in time, and makes another one."""
        transport = getattr(self._client, "_transport", None)  # it has none before its first attempt
        if transport is not None and not self._client.is_connected:
            transport.close()

    async def _on_disconnected(self) -> None:
        if not self._closing:
            log.warning("broker.disconnected")

    async def _on_reconnected(self) -> None:
        log.info("broker.reconnected")
        self._throttle.reset()
        # Not awaited: this runs inside nats-py's reconnect, and the hooks wait for answers.
        self._spawn(self._run_hooks())

    async def _on_closed(self) -> None:
        # nats-py stops when the broker closes the connection: a token has expired, or was revoked. A renewed one is in
        # the same file, so connect again as at the start.
        if not self._closing:
            log.warning("broker.thrown_out", error=type(self._client.last_error).__name__)
            self._client = NatsClient()
            self._spawn(self._connect_anew())

    async def _on_lame_duck(self) -> None:
        log.info("broker.lame_duck")
        self._spawn(self._client.force_reconnect())
