"""The playground with what is unusual: right-to-left text, large images, long answers, a lost network, a second tab."""

import base64
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from browser import Browser
from halves import FIRST, SECOND, Halves
from harness.keyed import KeyedStack
from harness.provider_answers import DONE, chunk, finish, stream, text_stream, usage
from playground_page import SEND, Playground

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(90)]

ARABIC = "مرحبا بالعالم 123."
DIRECTIONS = """
const blocks = page.locator('.answer:last-child .markdown > *')
return blocks.evaluateAll((all) => all.map((one) => getComputedStyle(one).direction))
"""
ATTACHED = "await page.locator('#attached img').waitFor()"
DROP = """
await page.evaluate(({ bytes, where }) => {
  const data = new DataTransfer()
  const content = Uint8Array.from(atob(bytes), (one) => one.charCodeAt(0))
  data.items.add(new File([content], 'drop.png', { type: 'image/png' }))
  const drop = new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true })
  globalThis.dropped = document.querySelector(where).dispatchEvent(drop)
}, args)
"""
PIXEL = """
return page.evaluate(async (url) => {
  const image = new Image()
  image.src = url
  await image.decode()
  const context = new OffscreenCanvas(image.width, image.height).getContext('2d')
  context.drawImage(image, 0, 0)
  return { size: [image.width, image.height], corner: [...context.getImageData(0, 0, 1, 1).data] }
}, args.url)
"""
PASTE = """
await page.evaluate((types) => {
  const data = new DataTransfer()
  data.items.add(new File(['x'], 'table.png', { type: 'image/png' }))
  for (const type of types) data.setData(type, 'of a table')
  const paste = new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true })
  document.querySelector('#prompt').dispatchEvent(paste)
}, args.types)
"""
DUPLICATE = """
await context.addInitScript(({ stored }) => {
  if (!sessionStorage.length) Object.entries(stored).forEach(([name, value]) => sessionStorage.setItem(name, value))
}, args)
await page.goto(args.url)
"""
LOST = "The connection is lost. The page reads on as soon as the gateway answers…"


@pytest.fixture
def halves(playground_stack: KeyedStack) -> Halves:
    model = Halves()
    playground_stack.main.answers(model)
    return model


def png(width: int, height: int, *, noisy: bool) -> bytes:
    """Transparent, or of random colours, which no compression makes smaller."""

    def part(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    draw = random.Random(3)
    rows = (b"\0" + (draw.randbytes(4 * width) if noisy else bytes(4 * width)) for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    data = zlib.compress(b"".join(rows), 1)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", data) + part(b"IEND", b"")


async def test_playground_shows_each_part_in_the_direction_of_its_text(
    playground: Playground, playground_stack: KeyedStack
) -> None:
    answer = f"{ARABIC}\n\nOne.\n\n- {ARABIC}\n\n| {ARABIC} | b |\n|---|---|\n\n```\n{ARABIC}\n```\n"
    playground_stack.main.answers(text_stream(answer))
    await playground.send(ARABIC)
    await playground.ended()

    directions = await playground.run(DIRECTIONS)
    assert directions[:3] == ["rtl", "ltr", "rtl"]
    assert (
        await playground.run("return page.locator('.answer pre').evaluate((one) => getComputedStyle(one).direction)")
        == "ltr"
    )
    bubble = "return page.locator('.bubble p').evaluate((one) => getComputedStyle(one).direction)"
    assert await playground.run(bubble) == "rtl"
    await playground.run("await page.getByLabel('Message', { exact: true }).fill(args.text)", text=ARABIC)
    assert await playground.evaluate("getComputedStyle(document.querySelector('#prompt')).direction") == "rtl"


@pytest.mark.parametrize("noisy", [True, False], ids=["10 MB", "transparent"])
async def test_playground_makes_a_large_image_small_enough_on_white(
    playground: Playground, playground_stack: KeyedStack, tmp_path: Path, noisy: bool
) -> None:
    playground_stack.main.answers(text_stream("An image."))
    image = tmp_path / "large.png"
    image.write_bytes(png(1900, 1400, noisy=noisy))
    assert (image.stat().st_size > 10_000_000) is noisy
    # Sent at once: a large image takes a while to be read.
    attach = "await page.locator('#files').setInputFiles([args.path])"
    await playground.run(f"{attach}\n{SEND}", path=str(image), text="What is this?")
    await playground.ended()

    (message,) = (await playground_stack.main.called()).body["messages"]
    _, picture = message["content"]
    url = picture["image_url"]["url"]
    assert url.startswith("data:image/jpeg;base64,")
    assert len(url) < 4_000_000
    found = await playground.run(PIXEL, url=url)
    assert found["size"] == [1568, 1155]
    if not noisy:
        assert found["corner"] == [255, 255, 255, 255]


async def test_playground_shows_images_that_are_too_large_together(
    playground: Playground, playground_stack: KeyedStack, tmp_path: Path
) -> None:
    paths = []
    for number in range(6):
        path = tmp_path / f"{number}.png"
        path.write_bytes(png(620, 600, noisy=True))
        paths.append(str(path))
    await playground.run("await page.locator('#files').setInputFiles(args.paths)", paths=paths)
    await playground.run("await page.locator('#attached img').nth(5).waitFor()")
    await playground.send("What are these?")
    await playground.ended("failed")
    await playground.shows("Remove or shrink an image, or shorten the conversation, then send it again.")
    playground_stack.main.answers(text_stream("Hello"))
    await playground.press("New chat")
    await playground.send("Hello!")
    await playground.ended()


async def test_playground_takes_an_image_that_is_dropped_anywhere(playground: Playground) -> None:
    small = base64.b64encode(png(2, 2, noisy=False)).decode()
    await playground.run(DROP, bytes=small, where="header")
    await playground.run(ATTACHED)
    # Not cancelled, the browser would show the file instead of the page.
    assert await playground.evaluate("globalThis.dropped") is False


async def test_playground_pastes_the_text_of_an_office_program_without_its_picture(playground: Playground) -> None:
    await playground.run(PASTE, types=["text/plain", "text/html"])
    assert await playground.run("return page.locator('#composer-problem').isHidden()")
    await playground.run(PASTE, types=[])
    await playground.shows("table.png cannot be read as an image.")
    assert await playground.run("return page.locator('#attached img').count()") == 0


async def test_playground_reads_on_when_a_silent_network_is_back(
    playground_stack: KeyedStack, browser: Browser, halves: Halves
) -> None:
    """A network that drops packets reports no error: a minute without a byte counts as one."""
    async with Playground.behind_link(browser, playground_stack.gateway_port) as (playground, link):
        await playground.run("await page.clock.install()")
        await playground.send("Hello!")
        await playground.shows(FIRST)
        link.strand()
        await playground.run("await page.clock.fastForward(70_000)")
        await playground.shows(LOST)
        await playground.run("await page.clock.runFor(2_000)")
        halves.second.set()
        await playground.ended()
        assert await playground.text() == FIRST + SECOND
    assert len(halves.calls) == 1


async def test_playground_reads_on_after_twenty_seconds_without_a_network(
    playground_stack: KeyedStack, browser: Browser, halves: Halves
) -> None:
    async with Playground.behind_link(browser, playground_stack.gateway_port) as (playground, link):
        await playground.run("await page.clock.install()")
        await playground.send("Hello!")
        await playground.shows(FIRST)
        link.cut()
        await playground.shows(LOST)
        for _ in range(10):
            await playground.run("await page.clock.runFor(2_000)")
        await link.mend()
        halves.second.set()
        # The browser is online again.
        await playground.evaluate("window.dispatchEvent(new Event('online'))")
        await playground.ended()
        assert await playground.text() == FIRST + SECOND
    assert len(halves.calls) == 1


async def test_playground_reads_an_open_answer_in_a_duplicated_tab(
    playground: Playground, browser: Browser, halves: Halves
) -> None:
    """A browser copies sessionStorage into the new tab."""
    await playground.send("Hello!")
    await playground.shows(FIRST)
    stored = await playground.evaluate("Object.fromEntries(Object.entries(sessionStorage))")
    async with browser.page() as page:
        await page.run(DUPLICATE, stored=stored, url=playground.url)
        other = Playground(page, playground.url)
        await other.shows(FIRST)
        halves.second.set()
        await playground.ended()
        await other.ended()
        assert await playground.text() == await other.text() == FIRST + SECOND
        await other.send("Again!")
        await other.ended()
    assert not page.record.problems
    assert await playground.run("return page.locator('.answer').count()") == 1
    assert len(halves.calls) == 2


@pytest.mark.parametrize("kind", ["paragraphs", "code"])
async def test_playground_shows_a_very_long_answer(
    playground: Playground, playground_stack: KeyedStack, kind: str
) -> None:
    """300 000 characters, of which each update shows some more."""
    line = "The river **rose** after `three` days of rain, and the mill stood still.\n"
    text = "".join(f"{number} {line}" + ("\n" if kind == "paragraphs" else "") for number in range(4000))
    text = text if kind == "paragraphs" else f"```\n{text}```\n"
    pieces = [text[start : start + 600] for start in range(0, len(text), 600)]
    playground_stack.main.answers(stream(*(chunk(piece) for piece in pieces), finish(), usage(3, 70_000), DONE))
    await playground.send("A long one, please.")
    await playground.ended()
    await playground.figure("cost")
    shown: Any = await playground.text()
    assert "3999 The river" in shown
    assert len(shown) > 280_000
    # The page still reacts, and keeps the answer over a reload.
    await playground.run("await page.reload()")
    await playground.ended()
    assert "3999 The river" in await playground.text()
