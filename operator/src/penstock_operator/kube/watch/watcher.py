"""Watches the cluster with kopf, and reports what it received.

kopf runs in a thread of its own, because it handles the process's signals, cancels every task of its event loop when it
ends, and ends at an error in a watch other than 410. This way it can end and be restarted without other effects.

Only low-level event handlers are used: no annotations, finalizers or patches. kopf 1.45 does not report objects that
were deleted while a watch was broken for too long: it lists again and reports what exists. `listed` is called at that
moment, so that the caller can compare.

A refused collection (403: a right is missing, or the whole namespace; 404: the kind does not exist) is requested until
it is granted, without effect on the others. `refused` reports it.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

import aiohttp
import kopf
import structlog
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from penstock_operator.kube import resources
from penstock_operator.kube.api_error import error_of
from penstock_operator.kube.resources import Body, Collection, Resource
from penstock_operator.kube.transport import CONNECT_TIMEOUT_S, CallEnded, Credentials, is_watch, open_session
from penstock_operator.kube.watch.liveness import WatchLiveness
from penstock_operator.kube.watch.namespace_scope import NamespaceScope

Observe = Callable[[Resource, Body, bool], None]
"""A kind, an object of it, and whether it was deleted."""
Listed = Callable[[Collection], None]
"""A collection that kopf has listed, for the first time or again, or may watch again."""
Refused = Callable[[Collection, str], None]
"""A collection that kopf may not list or watch now, and the API server's message."""

CHUNK: Final = 500
LIST_TIMEOUT_S: Final = 30.0
BOOKMARK_BEFORE_END_S: Final = 2.0
"""The API server sends a bookmark this long before a watch's timeout (cacher, `nextBookmarkTime`)."""
CHECK_S: Final = 0.5
RESTART_FIRST_S: Final = 1.0
RESTART_MAX_S: Final = 10.0

log = structlog.get_logger("penstock.operator")


class _NotThere(aiohttp.ClientConnectionError):
    """A 404, as an error after which kopf retries: its own would end kopf, and all other watches with it."""


class _Backoffs:
    """Endless, unlike kopf's own: at the end of those an unavailable API server (or a 403) would end kopf."""

    def __iter__(self) -> Iterator[float]:
        yield from (0.2, 0.5, 1.0)
        while True:
            yield 2.0


class ClusterWatcher:
    """`observe`, `listed` and `refused` are called in the event loop that runs `run`, `ended` in kopf's thread."""

    def __init__(
        self,
        credentials: Credentials,
        scope: NamespaceScope,
        *,
        silence_s: float,
        observe: Observe,
        listed: Listed,
        refused: Refused,
        ended: CallEnded,
        restarted: Callable[[], None],
    ) -> None:
        self._credentials = credentials
        self._scope = scope
        self._silence_s = silence_s
        self._observe = observe
        self._listed = listed
        self._refused = refused
        self._ended = ended
        self._restarted = restarted
        self.liveness = WatchLiveness(scope.collections, silence_s)
        self._unlisted: set[Collection] = set()
        """Reported as `listed` when their watch is open (again)."""
        self._thread: _KopfThread | None = None

    async def run(self) -> None:
        """Watches until cancelled."""
        loop = asyncio.get_running_loop()
        delay_s = RESTART_FIRST_S
        try:
            while True:
                began = loop.time()
                self.liveness.begin(began)
                self._unlisted.clear()
                thread = self._thread = _KopfThread(self.serve_kopf, loop)
                thread.start()
                await self._until_stuck(thread)
                silent_s = round(self.liveness.silent_s(loop.time()), 1)
                log.warning("operator.watch_restarted", silent_s=silent_s, ended=not thread.is_alive())
                thread.stop()
                self._restarted()
                # After a long run kopf restarts at once; after a short one the delay doubles.
                delay_s = (
                    RESTART_FIRST_S if loop.time() - began > RESTART_MAX_S * 3 else min(RESTART_MAX_S, 2 * delay_s)
                )
                await asyncio.sleep(delay_s)
        finally:
            if self._thread is not None:
                self._thread.stop()

    async def _until_stuck(self, thread: "_KopfThread") -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(CHECK_S)
            if not thread.is_alive() or self.liveness.is_stuck(loop.time()):
                return

    async def serve_kopf(self, thread: "_KopfThread") -> None:
        """Runs one kopf operator until `thread` is stopped; in its event loop."""
        registry = kopf.OperatorRegistry()

        async def follow(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
            response = await handler(request)
            if (collection := resources.of_path(request.url.path)) is None:
                return response
            if response.status == 200:
                thread.post(self._on_opened, collection, is_watch(request))
            elif response.status in {403, 404}:
                why = str(error_of(response.status, await response.read(), None))
                thread.post(self._on_refused, collection, why)
                if response.status == 404:
                    raise _NotThere(why)
            return response

        @kopf.on.login(registry=registry)
        async def login(**_: Any) -> kopf.AiohttpSession:
            session = open_session(self._credentials, self._ended, follow)
            server = str(self._credentials.configuration.host).rstrip("/")
            return kopf.AiohttpSession(server=server, aiohttp_session=session)

        for resource in self._scope.resources:
            kopf.on.event(resource.group, resource.version, resource.plural, registry=registry, id=resource.plural)(
                _handler(resource, thread, self._observe)
            )
        await kopf.operator(
            registry=registry,
            settings=self._settings(),
            clusterwide=self._scope.cluster_wide,
            namespaces=() if self._scope.cluster_wide else self._scope.watched,
            standalone=True,
            # Unused without peers. Without it kopf would request the user's name, which a pod does not have.
            identity="penstock-operator",  # type: ignore[arg-type]  # a NewType that kopf does not export
            stop_flag=thread.stop_flag,
        )

    def _settings(self) -> kopf.OperatorSettings:
        settings = kopf.OperatorSettings()
        # The server ends each watch after this time, and sends a bookmark before: silence means a broken connection.
        # Opening a watch again at its last position costs the server next to nothing and loses no event.
        settings.watching.server_timeout = int(self._silence_s - BOOKMARK_BEFORE_END_S)  # of the type integer
        settings.watching.inactivity_timeout = self._silence_s
        settings.watching.connect_timeout = CONNECT_TIMEOUT_S
        settings.watching.chunk_size = CHUNK
        for resource in self._scope.resources:
            if selector := self._scope.selector if resource == resources.NAMESPACES else resources.selector(resource):
                settings.watching.label_selectors[resource.group, resource.version, resource.plural] = selector
        settings.networking.error_backoffs = _Backoffs()
        settings.networking.request_timeout = LIST_TIMEOUT_S
        settings.networking.connect_timeout = CONNECT_TIMEOUT_S
        # No lists of namespaces and CRDs by kopf: it supports no label selectors, and a Role does not cover them.
        settings.scanning.disabled = True
        settings.posting.enabled = False
        settings.process.ultimate_exiting_timeout = None
        settings.queueing.exit_timeout = 0.0
        return settings

    def _on_opened(self, collection: Collection, watch: bool) -> None:
        if not watch:
            self._unlisted.add(collection)
            return
        self.liveness.record(collection, asyncio.get_running_loop().time())
        if collection in self._unlisted:
            self._unlisted.discard(collection)
            self._listed(collection)

    def _on_refused(self, collection: Collection, why: str) -> None:
        self.liveness.record(collection, asyncio.get_running_loop().time())
        self._unlisted.add(collection)
        self._refused(collection, why)


class _KopfThread(threading.Thread):
    """Not joined at the end: results that kopf still produces then are discarded."""

    def __init__(
        self, serve: Callable[["_KopfThread"], Coroutine[Any, Any, None]], main_loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(name="kopf", daemon=True)
        self._serve = serve
        self._main_loop = main_loop
        self._loop = asyncio.new_event_loop()
        self._stopping = False
        self.stop_flag = asyncio.Event()
        """An asyncio event: for a threading event, kopf would start a thread that cannot be ended."""

    def run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve(self))
        except Exception as error:  # noqa: BLE001 - the root of this thread; `ClusterWatcher.run` notices its end
            log.warning("operator.watch_failed", error=type(error).__name__, detail=str(error)[:300])

    def stop(self) -> None:
        self._stopping = True
        with contextlib.suppress(RuntimeError):  # the loop is closed: the thread has already ended
            self._loop.call_soon_threadsafe(self.stop_flag.set)

    def post(self, call: Callable[..., None], *arguments: object) -> None:
        """Calls a function in the main event loop, unless this thread was stopped."""
        if not self._stopping:
            with contextlib.suppress(RuntimeError):  # the main loop is closed: the process is about to end
                self._main_loop.call_soon_threadsafe(call, *arguments)


def _handler(resource: Resource, thread: _KopfThread, observe: Observe) -> Callable[..., Any]:
    async def handle(event: Any, **_: Any) -> None:
        thread.post(observe, resource, event["object"], event["type"] == "DELETED")

    return handle


def quieten_kopf() -> None:
    """Suppresses kopf's log lines about each retry and its own end; `ClusterWatcher` logs both once."""
    for name, level in (
        ("kopf", logging.WARNING),
        ("kopf._cogs.clients.watching", logging.CRITICAL),
        ("kopf._core.reactor.orchestration", logging.CRITICAL),
        ("kopf._core.reactor.running", logging.CRITICAL),
        ("kopf.activities", logging.WARNING),
    ):
        logging.getLogger(name).setLevel(level)
