"""kopf, as far as we use it: it lists and watches, we are told what it saw.

In a thread of its own, because kopf takes the process's signals for itself, cancels every task of its event loop when
it ends, and ends at an error in a watch that is not 410. So it can end, and be started again, and nothing else notices.

Low-level event handlers only: no annotations, no finalizers, no patches. What kopf 1.45 does not tell is that objects
went while a watch was broken for too long: it lists again and reports what is there. `listed` says when, so that
somebody can compare.

A collection that is refused (403: a right is missing, or the whole namespace; 404: the kind is not there) is asked for
until it is not, and costs the others nothing. `refused` says so.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import aiohttp
import kopf
import structlog
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from penstock_operator.kube import resources
from penstock_operator.kube.api_error import error_of
from penstock_operator.kube.api_session import CONNECT_TIMEOUT_S, CallEnded, Credentials, is_watch, open_session
from penstock_operator.kube.resources import Resource
from penstock_operator.kube.watch_liveness import Collection, Hearing

Body = dict[str, Any]
Observe = Callable[[Resource, Body, bool], None]
"""A kind, an object of it, and whether it was deleted."""
Listed = Callable[[Resource, str], None]
"""A kind and a namespace that kopf has listed, for the first time or again, or may watch again."""
Refused = Callable[[Resource, str, str], None]
"""A kind and a namespace that kopf may not list or watch now, and why, in the API server's words."""

CHUNK: Final = 500
LIST_TIMEOUT_S: Final = 30.0
BOOKMARK_BEFORE_END_S: Final = 2.0
"""The API server sends a bookmark this long before a watch's timeout (cacher, `nextBookmarkTime`)."""
CHECK_S: Final = 0.5
RESTART_FIRST_S: Final = 1.0
RESTART_MAX_S: Final = 10.0

log = structlog.get_logger("penstock.operator")


class _NotThere(aiohttp.ClientConnectionError):
    """A 404, as an error after which kopf tries again: its own would end kopf, and all other watches with it."""


class _Backoffs:
    """Endless, unlike kopf's own: at the end of those an API server that is away (or says 403) would end kopf."""

    def __iter__(self) -> Iterator[float]:
        yield from (0.2, 0.5, 1.0)
        while True:
            yield 2.0


class Watching:
    """`observe`, `listed` and `refused` are called in the event loop that runs `run`, `ended` in kopf's thread."""

    def __init__(
        self,
        credentials: Credentials,
        namespaces: list[str],
        *,
        silence_s: float,
        observe: Observe,
        listed: Listed,
        refused: Refused,
        ended: CallEnded,
        restarted: Callable[[], None],
    ) -> None:
        self._credentials = credentials
        self._namespaces = namespaces
        self._silence_s = silence_s
        self._observe = observe
        self._listed = listed
        self._refused = refused
        self._ended = ended
        self._restarted = restarted
        self.hearing = Hearing(
            ((namespace, resource.plural) for namespace in namespaces for resource in resources.WATCHED), silence_s
        )
        self._unlisted: set[Collection] = set()
        """Told as `listed` when their watch is open (again)."""
        self._thread: _KopfThread | None = None

    async def run(self) -> None:
        """Watch until cancelled."""
        loop = asyncio.get_running_loop()
        delay_s = RESTART_FIRST_S
        try:
            while True:
                began = loop.time()
                self.hearing.begin(began)
                self._unlisted.clear()
                thread = self._thread = _KopfThread(self, loop)
                thread.start()
                await self._until_dead(thread)
                silent_s = round(self.hearing.silent_s(loop.time()), 1)
                log.warning("operator.watch_restarted", silent_s=silent_s, ended=not thread.is_alive())
                thread.stop()
                self._restarted()
                # One that ran for long starts again at once, the next that ends soon waits longer.
                delay_s = (
                    RESTART_FIRST_S if loop.time() - began > RESTART_MAX_S * 3 else min(RESTART_MAX_S, 2 * delay_s)
                )
                await asyncio.sleep(delay_s)
        finally:
            if self._thread is not None:
                self._thread.stop()

    async def _until_dead(self, thread: "_KopfThread") -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(CHECK_S)
            if not thread.is_alive() or self.hearing.is_stuck(loop.time()):
                return

    async def serve_kopf(self, thread: "_KopfThread") -> None:
        """Run one kopf operator until `thread` is stopped; in its event loop."""
        registry = kopf.OperatorRegistry()

        async def follow(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
            response = await handler(request)
            if (collection := resources.of_path(request.url.path)) is None:
                return response
            if response.status == 200:
                thread.tell(self._on_opened, collection, is_watch(request))
            elif response.status in {403, 404}:
                why = str(error_of(response.status, await response.read(), None))
                thread.tell(self._on_refused, collection, why)
                if response.status == 404:
                    raise _NotThere(why)
            return response

        @kopf.on.login(registry=registry)
        async def login(**_: Any) -> kopf.AiohttpSession:
            session = open_session(self._credentials, self._ended, follow)
            return kopf.AiohttpSession(server=self._credentials.server, aiohttp_session=session)

        for resource in resources.WATCHED:
            kopf.on.event(resource.group, resource.version, resource.plural, registry=registry, id=resource.plural)(
                _handler(resource, thread, self._observe)
            )
        await kopf.operator(
            registry=registry,
            settings=self._settings(),
            namespaces=self._namespaces,
            standalone=True,
            # Of no use to one that has no peers, but kopf would ask who our user is, and in a pod that has no name.
            identity="penstock-operator",  # type: ignore[arg-type]  # a NewType that kopf does not export
            stop_flag=thread.stop_flag,
        )

    def _settings(self) -> kopf.OperatorSettings:
        settings = kopf.OperatorSettings()
        # The server ends each watch soon and says so before, with a bookmark: silence means that the way is broken.
        # Opening a watch again where the last one ended costs the server next to nothing and loses no event.
        settings.watching.server_timeout = int(self._silence_s - BOOKMARK_BEFORE_END_S)  # the server wants it whole
        settings.watching.inactivity_timeout = self._silence_s
        settings.watching.connect_timeout = CONNECT_TIMEOUT_S
        settings.watching.chunk_size = CHUNK
        for resource in resources.WATCHED:
            if selector := resources.selector(resource):
                settings.watching.label_selectors[resource.group, resource.version, resource.plural] = selector
        settings.networking.error_backoffs = _Backoffs()
        settings.networking.request_timeout = LIST_TIMEOUT_S
        settings.networking.connect_timeout = CONNECT_TIMEOUT_S
        # No lists of namespaces and CRDs: the Role is of our namespaces only.
        settings.scanning.disabled = True
        settings.posting.enabled = False
        settings.process.ultimate_exiting_timeout = None
        settings.queueing.exit_timeout = 0.0
        return settings

    def _on_opened(self, collection: Collection, watch: bool) -> None:
        if not watch:
            self._unlisted.add(collection)
            return
        self.hearing.heard(collection, asyncio.get_running_loop().time())
        if collection in self._unlisted:
            self._unlisted.discard(collection)
            self._listed(*_named(collection))

    def _on_refused(self, collection: Collection, why: str) -> None:
        self.hearing.heard(collection, asyncio.get_running_loop().time())
        self._unlisted.add(collection)
        self._refused(*_named(collection), why)


class _KopfThread(threading.Thread):
    """Not waited for at the end: what kopf still does then is of no interest to anybody."""

    def __init__(self, watching: Watching, home: asyncio.AbstractEventLoop) -> None:
        super().__init__(name="kopf", daemon=True)
        self._watching = watching
        self._home = home
        self._loop = asyncio.new_event_loop()
        self._stopping = False
        self.stop_flag = asyncio.Event()
        """Of asyncio: for one of threading, kopf would hold a thread that cannot be ended."""

    def run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._watching.serve_kopf(self))
        except Exception as error:  # noqa: BLE001 - the root of this thread; `Watching.run` sees that it ended
            log.warning("operator.watch_failed", error=type(error).__name__, detail=str(error)[:300])

    def stop(self) -> None:
        self._stopping = True
        with contextlib.suppress(RuntimeError):  # its loop is closed: it has ended by itself
            self._loop.call_soon_threadsafe(self.stop_flag.set)

    def tell(self, call: Callable[..., None], *arguments: object) -> None:
        """Call something in the other event loop, unless it is no longer ours to speak."""
        if not self._stopping:
            with contextlib.suppress(RuntimeError):  # the other loop is closed: the process is about to end
                self._home.call_soon_threadsafe(call, *arguments)


def _named(collection: Collection) -> tuple[Resource, str]:
    namespace, plural = collection
    return next(resource for resource in resources.WATCHED if resource.plural == plural), namespace


def _handler(resource: Resource, thread: _KopfThread, observe: Observe) -> Callable[..., Any]:
    async def handle(event: Any, **_: Any) -> None:
        thread.tell(observe, resource, event["object"], event["type"] == "DELETED")

    return handle


def quieten_kopf() -> None:
    """Keep from the log every try of a broken connection, and kopf's own end three times; we say both once."""
    for name, level in (
        ("kopf", logging.WARNING),
        ("kopf._cogs.clients.watching", logging.CRITICAL),
        ("kopf._core.reactor.orchestration", logging.CRITICAL),
        ("kopf._core.reactor.running", logging.CRITICAL),
        ("kopf.activities", logging.WARNING),
    ):
        logging.getLogger(name).setLevel(level)
