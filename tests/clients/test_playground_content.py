"""Content of the playground's requests and answers: Markdown, images, tools, copies, vectors."""

import asyncio
import json
import os
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from harness.keyed import FIRST_KEY, KeyedStack
from harness.provider_answers import DONE, delta, embeddings, finish, stream, text_stream, usage
from library_process import INSTALLED
from playground_page import Playground

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(90)]

RENDERED = """import('/playground/markdown/render.js').then(({ renderMarkdown }) => {
  const box = document.createElement('div')
  box.append(...renderMarkdown(args.text))
  return box.innerHTML.replaceAll(' dir="auto"', '')
})"""
MARKDOWN = {
    "# One *two*": '<h3 data-level="1">One <em>two</em></h3>',
    "a **b** `c*d*` ~~e~~": "<p>a <strong>b</strong> <code>c*d*</code> <del>e</del></p>",
    "snake_case_name and 2*3": "<p>snake_case_name and 2*3</p>",
    "one  \ntwo": "<p>one<br>two</p>",
    "- a\n- b\n  1. c": "<ul><li>a</li><li>b<ol><li>c</li></ol></li></ul>",
    "3. c\n4. d": '<ol start="3"><li>c</li><li>d</li></ol>',
    "> q\n> r": "<blockquote><p>q\nr</p></blockquote>",
    "---": "<hr>",
    "<b>x</b> &amp;": "<p>&lt;b&gt;x&lt;/b&gt; &amp;amp;</p>",
    "[x](javascript:alert(1))": "<p>x (javascript:alert(1))</p>",
    "[x](/v1/models)": "<p>x (/v1/models)</p>",
    "**open": "<p>**open</p>",
    "\\*no\\*": "<p>*no*</p>",
}
HOSTILE = """<script>window.broken = 1</script><img src=x onerror="window.broken = 2">
<svg onload="window.broken = 3"><iframe src="javascript:parent.broken = 4"></iframe>

[a](javascript:window.broken=5) [b](JaVa\tScRiPt:window.broken=6) [c](<java
script:window.broken=7>) [d](data:text/html,<script>window.broken=8</script>) [e](vbscript:x)
![f](https://foreign.example/pixel.png) ![g](javascript:window.broken=9)
![h](data:image/svg+xml;base64,PHN2Zz4=) ![i](x" onerror="window.broken=10) <javascript:window.broken=11>

[ok](https://example.org/?a=1&b="><script>window.broken=12</script>)

| <style>body{display:none}</style> | `</code><script>window.broken=13</script>` |
|---|---|
| <base href="https://foreign.example/"> | <form action="https://foreign.example/"><input name=x> |

```"><script>window.broken=14</script>
</code></pre><script>window.broken=15</script>
"""
HIDE_CLIPBOARD = (
    "(globalThis.kept = navigator.clipboard,"
    "Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true }), null)"
)
"""A page without TLS on another host than localhost has no clipboard."""
COPY = """
const button = page.locator('.copy-as button').nth(args.index)
await button.filter({ hasText: args.name }).click()
await button.filter({ hasText: 'Copied' }).waitFor()
"""
TRACES = """(() => {
  const all = (selector) => [...document.querySelectorAll(selector)]
  const outer = (elements) => elements.map((one) => one.outerHTML)
  const forbidden = ['script', 'style', 'iframe', 'base', 'object', 'embed', 'link', 'input', 'form[action]']
  return {
    broken: window.broken ?? null,
    elements: outer(forbidden.flatMap((selector) => all(`#messages ${selector}`))),
    images: outer(all('#messages img')),
    handlers: outer(all('#messages *').filter((one) => one.getAttributeNames().some((name) => name.startsWith('on')))),
    schemes: [...new Set(all('#messages a').map((one) => one.protocol))],
  }
})()"""
CELLS = """
return page.locator('.similarities tbody tr').evaluateAll((rows) =>
  rows.map((row) => [...row.querySelectorAll('td')].map((cell) => cell.textContent)))
"""
TOOLS = [
    {
        "type": "function",
        "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
]


def png() -> bytes:
    """One red pixel."""

    def part(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(b"\0\xff\0\0")) + part(b"IEND", b"")


async def test_playground_renders_markdown(playground: Playground) -> None:
    rendered = {text: await playground.evaluate(RENDERED, text=text) for text in MARKDOWN}
    assert rendered == MARKDOWN


async def test_playground_renders_links_tables_and_code(playground: Playground) -> None:
    link = await playground.evaluate(RENDERED, text="see [x](https://a.b/c), or https://d.e/f.")
    assert re.findall(r'href="([^"]*)"', link) == ["https://a.b/c", "https://d.e/f"]
    assert link.count('rel="noopener noreferrer nofollow"') == 2
    table = await playground.evaluate(RENDERED, text="| a | b |\n|:-:|--:|\n| 1 | x\\|y |")
    assert '<th class="center" scope="col">a</th>' in table
    assert '<td class="right">x|y</td>' in table
    code = await playground.evaluate(RENDERED, text="```py\nx = '<b>'\n\n  y\n")
    assert "<code>x = '&lt;b&gt;'\n\n  y\n</code>" in code


@pytest.mark.parametrize("size", [7, 4000])
async def test_playground_never_runs_what_a_model_writes(
    playground: Playground, playground_stack: KeyedStack, size: int
) -> None:
    pieces = [HOSTILE[start : start + size] for start in range(0, len(HOSTILE), size)]
    reasoning = [delta(reasoning_content=HOSTILE)]
    call = [
        {
            "index": 0,
            "id": "c<b>",
            "type": "function",
            "function": {"name": "<img src=x onerror=broken=1>", "arguments": HOSTILE},
        }
    ]
    answer = [
        *reasoning,
        *(delta(content=piece) for piece in pieces),
        delta(tool_calls=call),
        finish("tool_calls"),
        DONE,
    ]
    playground_stack.main.answers(stream(*answer))

    await playground.send(HOSTILE)
    await playground.ended()
    await playground.run("await page.getByText('Reasoning').first().click()")

    found = await playground.evaluate(TRACES)
    assert found == {"broken": None, "elements": [], "images": [], "handlers": [], "schemes": ["https:"]}


async def test_playground_sends_images_as_parts(
    playground: Playground, playground_stack: KeyedStack, tmp_path: Path
) -> None:
    image = tmp_path / "red.png"
    image.write_bytes(png())
    await playground.run("await page.locator('#files').setInputFiles([args.path])", path=str(image))
    await playground.run("await page.getByRole('img', { name: 'red.png' }).waitFor()")
    await playground.send("What is this?")
    await playground.ended()

    (message,) = (await playground_stack.main.called()).body["messages"]
    text, picture = message["content"]
    assert text == {"type": "text", "text": "What is this?"}
    assert picture["image_url"]["url"].startswith("data:image/png;base64,iVBORw0KGgo")
    note = tmp_path / "note.txt"
    note.write_text("no image")
    await playground.run("await page.locator('#files').setInputFiles([args.path])", path=str(note))
    await playground.shows("note.txt is not a PNG, JPEG, GIF or WebP image.")


async def test_playground_shows_tool_calls_and_sends_their_results(
    playground: Playground, playground_stack: KeyedStack
) -> None:
    pieces = [
        {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":'}}
    ]
    rest = [{"index": 0, "function": {"arguments": '"Rome"}'}}]
    call = stream(delta(tool_calls=pieces), delta(tool_calls=rest), finish("tool_calls"), usage(), DONE)
    playground_stack.main.answers(call, text_stream("It is ", "sunny."))
    await playground.press("Options")
    await playground.run("await page.getByLabel(/^Tools/).fill('[')")
    await playground.shows("This is not JSON")
    await playground.run("await page.getByLabel(/^Tools/).fill(args.tools)", tools=json.dumps(TOOLS))
    await playground.press("Close")

    await playground.send("How is the weather in Rome?")
    await playground.run("await page.getByLabel('Result of weather').fill('sunny')")
    assert (
        await playground.run("return page.getByLabel('Arguments of weather').innerText()") == '{\n  "city": "Rome"\n}'
    )
    await playground.press("Send the result")
    await playground.shows("It is sunny.")

    second = (await playground_stack.main.called(2)).body
    assert second["tools"] == TOOLS
    assert [message["role"] for message in second["messages"]] == ["user", "assistant", "tool"]
    assert second["messages"][2]["content"] == "sunny"


async def run_command(*command: str, text: str | None = None, **env: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", ""), **env},
    )
    output, errors = await process.communicate(None if text is None else text.encode())
    assert process.returncode == 0, errors.decode()
    return output.decode()


@pytest.mark.parametrize("clipboard", [True, False])
async def test_playground_copies_a_request_that_runs(
    playground: Playground, playground_stack: KeyedStack, tmp_path: Path, *, clipboard: bool
) -> None:
    playground_stack.main.answers(text_stream("Hel", "lo"))
    await playground.run("await context.grantPermissions(['clipboard-read', 'clipboard-write'])")
    await playground.press("Options")
    system = 'Don\'t say "no" to $HOME,\nnor to `ls` 😀'
    await playground.run(
        "await page.getByLabel('System prompt').fill(args.text); await page.getByLabel('Temperature').fill('0.5')",
        text=system,
    )
    await playground.press("Close")
    await playground.send("It's \\n me")
    await playground.ended()
    sent = (await playground_stack.main.called()).body

    copies: dict[str, str] = {}
    for index, name in enumerate(("curl", "Python", "TypeScript")):
        await playground.evaluate("(globalThis.kept = navigator.clipboard, null)" if clipboard else HIDE_CLIPBOARD)
        await playground.run(COPY, index=index, name=name)
        copies[name] = await playground.evaluate("globalThis.kept.readText()")
        await playground.evaluate("delete navigator.clipboard")
        assert FIRST_KEY not in copies[name]
    script = tmp_path / "copied.py"
    script.write_text(copies["Python"])
    module = INSTALLED / "node" / "copied-request.mjs"
    module.write_text(copies["TypeScript"])
    key = {"PENSTOCK_API_KEY": FIRST_KEY}
    answers = [
        await run_command("bash", text=copies["curl"], **key),
        await run_command(str(INSTALLED / "python" / "bin" / "python"), str(script), **key),
        await run_command("node", "--preserve-symlinks-main", "--preserve-symlinks", str(module), **key),
    ]

    assert '"content":"Hel"' in answers[0]
    assert answers[0].rstrip().endswith("data: [DONE]")
    assert answers[1:] == ["Hello", "Hello"]
    bodies: list[dict[str, Any]] = [(await playground_stack.main.called(number)).body for number in (2, 3, 4)]
    assert bodies == [sent, sent, sent]
    assert sent["messages"] == [{"role": "system", "content": system}, {"role": "user", "content": "It's \\n me"}]


async def test_playground_compares_embeddings(playground: Playground, playground_stack: KeyedStack) -> None:
    playground_stack.main.answers(embeddings([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]]))
    await playground.run("await page.getByRole('tab', { name: 'Embeddings' }).click()")
    await playground.run("await page.getByLabel('Texts, one per line').fill('one\\n\\ntwo\\nthree')")
    await playground.press("Compare")
    await playground.run("await page.locator('.similarities').waitFor()")

    cells = await playground.run(CELLS)
    assert cells == [["1.00", "0.00", "0.71"], ["0.00", "1.00", "0.71"], ["0.71", "0.71", "1.00"]]
    assert (await playground_stack.main.called()).body["input"] == ["one", "two", "three"]
    assert await playground.run("return page.locator('[data-figure=dimensions] dd').innerText()") == "2"
