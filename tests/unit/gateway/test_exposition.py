"""The text of `/metrics` is rendered outside the event loop, once for concurrent requests."""

import asyncio
import threading

from penstock_gateway.telemetry.exposition import CONTENT_TYPE, Exposition, prometheus


async def test_exposition_is_shared_by_concurrent_requests_and_made_in_a_thread() -> None:
    release, threads = threading.Event(), []

    def make() -> bytes:
        threads.append(threading.current_thread())
        release.wait(5)
        return b"text"

    exposition = Exposition(make)
    waiting = [asyncio.create_task(exposition.text()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # A request that ends early does not end it for the others.
    release.set()
    assert await asyncio.gather(*waiting[1:]) == [b"text", b"text"]
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()
    await exposition.text()
    assert len(threads) == 2, "the next request gets a new one"


def test_exposition_has_the_media_type_of_the_library() -> None:
    from prometheus_client import CONTENT_TYPE_LATEST

    assert f"{CONTENT_TYPE}; charset=utf-8" == CONTENT_TYPE_LATEST
    assert isinstance(prometheus(), bytes)
