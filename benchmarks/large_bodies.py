"""Effect of large bodies on other requests: gaps of a neighbour's stream while bodies of several shapes arrive.

Starts `penstock dev` with two Simulated routes. One stream of 20 ms a token is read all the time; beside it bodies of
one shape are sent, one after the other, at most 5 a second. The first part of `make bench`, and by itself
`.venv/bin/python benchmarks/large_bodies.py`. The bar is 100 ms for the largest gap of the neighbour.
"""

import argparse
import asyncio
import http.client
import json
import multiprocessing
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import Queue
from multiprocessing.synchronize import Event
from pathlib import Path

import httpx

ROUTE = """\
apiVersion: penstock.dev/v1alpha1
kind: ModelRoute
metadata: {{name: {name}}}
spec:
  models: [{{name: {name}}}]
  providers:
    - {{name: p, type: Simulated, simulated: {{tokens: {tokens}, tokensPerSecond: 50}}}}
"""
HEAD = '{"model":"large","messages":[{"role":"user","content":"hi"}]'
PENSTOCK = Path(__file__).parents[1] / ".venv" / "bin" / "penstock"


def shapes() -> Iterator[tuple[str, str, bytes]]:
    """(name, path, body)."""
    chat, embeddings = "/v1/chat/completions", "/v1/embeddings"
    yield "small chat", chat, (HEAD + "}").encode()
    yield "500 000 unknown fields", chat, (HEAD + "," + ",".join(f'"u{i}":1' for i in range(500_000)) + "}").encode()
    part = '{"type":"text","text":"a"}'
    parts = f'{{"model":"large","messages":[{{"role":"user","content":[{",".join([part] * 100_000)}]}}]}}'
    yield "100 000 parts", chat, parts.encode()
    lists = ",".join(["[" + ",".join(["12345"] * 560) + "]"] * 2048)
    yield "2048 lists of tokens", embeddings, f'{{"model":"large","input":[{lists}]}}'.encode()
    yield "nested 3 000 000 deep", chat, (HEAD + ',"x":' + "[" * 3_000_000 + "]" * 3_000_000 + "}").encode()
    yield "2 300 000 empty lists", chat, (HEAD + ',"x":[' + ",".join(["[]"] * 2_300_000) + "]}").encode()
    text = '{"model":"large","messages":[{"role":"user","content":"%s"}]}'
    yield "one text with escapes", chat, (text % ("\\n" * 3_500_000)).encode()
    yield "one text", chat, (text % ("four" * 1_700_000)).encode()
    yield (
        "one picture",
        chat,
        (
            '{"model":"large","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":'
            f'"data:image/png;base64,{"AAAA" * 1_700_000}"}}}}]}}]}}'
        ).encode(),
    )
    yield "prompt of 100 000 tokens", chat, (text.replace("}]}", '}],"stream":true}') % ("word " * 80_000)).encode()


def neighbour(port: int, ready: Event, done: Event, gaps: "Queue[list[float]]") -> None:
    """In a process of its own: to send a large body would delay its clock too."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    body = {"model": "paced", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
    response = connection.getresponse()
    found, last = [], None
    while not done.is_set() and response.read1(65536):
        now = time.perf_counter()
        if last is not None and ready.is_set():
            found.append(now - last)
        ready.set()
        last = now
    gaps.put(found)


def cpu_s(pids: list[int]) -> float:
    fields = [Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in pids]
    return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")


def rss_mib(pids: list[int]) -> float:
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def tree(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in tree(int(child)))]


async def shape(client: httpx.AsyncClient, name: str, path: str, body: bytes, dev: int, seconds: float) -> str:
    spawn = multiprocessing.get_context("spawn")
    ready, done, found = spawn.Event(), spawn.Event(), spawn.Queue()
    beside = spawn.Process(target=neighbour, args=(client.base_url.port, ready, done, found))
    beside.start()
    await asyncio.to_thread(ready.wait)
    pids, sent, firsts, statuses = tree(dev), 0, [], set()
    began, cpu = time.perf_counter(), cpu_s(tree(dev))
    while time.perf_counter() - began < seconds:
        at = time.perf_counter()
        async with client.stream("POST", path, content=body) as response:
            statuses.add(response.status_code)
            async for _ in response.aiter_raw():
                firsts.append(time.perf_counter() - at)
                break
        sent += 1
        await asyncio.sleep(max(0.0, 0.2 - (time.perf_counter() - at)))
    used = cpu_s(pids) - cpu
    done.set()
    ordered = sorted(await asyncio.to_thread(found.get))
    beside.join()
    p50, p99, most = (ordered[min(len(ordered) - 1, int(len(ordered) * q))] * 1000 for q in (0.5, 0.99, 1.0))
    first = sorted(firsts)[len(firsts) // 2] * 1000 if firsts else float("nan")
    return (
        f"| {name} | {len(body) / 1e6:.1f} | {'/'.join(map(str, sorted(statuses)))} | {sent} | {p50:.0f} | {p99:.0f} |"
        f" {most:.0f} | {used / sent * 1000:.0f} | {first:.0f} | {rss_mib(pids):.0f} |"
    )


async def run(only: str, seconds: float) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        for name, tokens in (("paced", 1_000_000), ("large", 2)):
            Path(folder, f"{name}.yaml").write_text(ROUTE.format(name=name, tokens=tokens))  # noqa: ASYNC240
        process = await asyncio.create_subprocess_exec(
            str(PENSTOCK), "dev", "--fresh", "-f", folder, "--port", str(port), stdout=asyncio.subprocess.DEVNULL
        )
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                while True:
                    try:
                        if (await client.get("/v1/models")).json()["data"]:
                            break
                    except (httpx.HTTPError, json.JSONDecodeError, KeyError):
                        pass
                    await asyncio.sleep(0.1)
                print("| body | MB | status | sent | gap p50 ms | p99 | max | CPU ms each | first byte ms | RSS MiB |")
                print("|---|--:|---|--:|--:|--:|--:|--:|--:|--:|")
                for name, path, body in shapes():
                    if only in name:
                        print(await shape(client, name, path, body, process.pid, seconds), flush=True)
        finally:
            process.terminate()
            await process.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="shapes with this in their name")
    parser.add_argument("--seconds", type=float, default=6.0, help="for each shape")
    options = parser.parse_args()
    asyncio.run(run(options.only, options.seconds))
