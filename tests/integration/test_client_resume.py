"""The clients read a stream on after a cut, and stop a stream that they leave."""

import asyncio
import io

import pytest
from harness.link import Link
from harness.provider_answers import text_stream, text_then_wait
from harness.read_again import WORDS, paced
from harness.stack import Stack

from penstock_client import AsyncClient, Client, GatewayError, StreamTruncated
from penstock_client.cli.chat import ANSWERED, Terminal, run
from penstock_contract.endpoints import CHAT
from penstock_contract.request.operations import ChatMessage

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO = [ChatMessage("user", "hello")]


def url(link: Link) -> str:
    return f"http://127.0.0.1:{link.port}"


async def test_async_client_reads_on_after_a_cut_without_a_lost_or_repeated_chunk(stack: Stack, link: Link) -> None:
    go_on = asyncio.Event()
    stack.main.answers(paced(go_on))
    texts: list[str] = []
    async with AsyncClient(url(link)) as client, client.chat(HELLO, "main") as chunks:
        async for one in chunks:
            texts.append(one.text)
            if len(texts) in {3, 30}:
                link.cut()
                await link.mend()
                go_on.set()
    assert texts == WORDS
    assert len(stack.main.calls) == 1


async def test_client_reads_on_after_a_cut_without_a_lost_or_repeated_chunk(stack: Stack, link: Link) -> None:
    go_on, loop = asyncio.Event(), asyncio.get_running_loop()
    stack.main.answers(paced(go_on))

    async def cut() -> None:
        link.cut()
        await link.mend()
        go_on.set()

    def read() -> list[str]:
        texts: list[str] = []
        with Client(url(link)) as client, client.chat(HELLO, "main") as chunks:
            for one in chunks:
                texts.append(one.text)
                if len(texts) in {3, 30}:
                    asyncio.run_coroutine_threadsafe(cut(), loop).result()
        return texts

    assert await asyncio.to_thread(read) == WORDS
    assert len(stack.main.calls) == 1


async def test_async_client_stops_a_stream_that_it_leaves(stack: Stack) -> None:
    stack.main.answers(text_then_wait("Hello"))
    async with AsyncClient(stack.url) as client:
        async with client.chat(HELLO, "main") as chunks:
            assert (await anext(chunks)).text == "Hello"
        await stack.main.calls[0].left()
        ended = await stack.gateway.logged("gateway.request_ended", request_id=chunks.request_id)
        assert ended["code"] == "stopped"


async def test_async_client_without_resume_raises_for_a_cut(stack: Stack, link: Link) -> None:
    stack.main.answers(text_then_wait("Hello"))
    async with AsyncClient(url(link), resume=False) as client:
        async with client.chat(HELLO, "main") as chunks:
            await anext(chunks)
            link.cut()
            with pytest.raises(StreamTruncated):
                await anext(chunks)
        await stack.main.calls[0].left()


async def test_async_client_raises_the_cut_of_a_stream_that_is_gone(stack: Stack, link: Link) -> None:
    stack.main.answers(text_then_wait("Hello"))
    async with AsyncClient(url(link)) as client, AsyncClient(stack.url) as other:
        async with client.chat(HELLO, "main") as chunks:
            await anext(chunks)
            link.cut()
            await other.stop(str(chunks.request_id))
            await link.mend()
            with pytest.raises(GatewayError) as caught:
                await anext(chunks)
        assert caught.value.code in {"stream_truncated", "stopped"}


async def test_client_reads_a_stream_of_another_process_again(stack: Stack) -> None:
    stack.main.answers(text_stream(*WORDS))
    async with AsyncClient(stack.url) as client:
        async with client.chat(HELLO, "main") as chunks:
            whole = [one.text async for one in chunks]
        id_ = str(chunks.request_id)
        async with client.resume(id_, CHAT, 5) as again:
            assert [one.text async for one in again] == whole[5:]

    def resume() -> tuple[int, str]:
        output = io.StringIO()
        terminal = Terminal(io.StringIO(), output, io.StringIO())
        return run(["--url", stack.url, "--resume", id_], {}, terminal), output.getvalue()

    assert await asyncio.to_thread(resume) == (ANSWERED, "".join(WORDS) + "\n")


async def test_chat_command_refuses_what_is_no_id(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(["--resume", "../models"], {}, Terminal(io.StringIO(), io.StringIO(), io.StringIO()))
    assert "is no request id" in capsys.readouterr().err
