"""The playground in a real browser: an answer from the first token to its end, stopped, cut, reloaded, failed."""

import asyncio
import re

import pytest
from browser import Browser
from halves import FIRST, SECOND, Halves
from harness.keyed import FIRST_KEY, KeyedStack
from harness.link import Link
from harness.provider_answers import DONE, chunk, delta, finish, status, stream, stream_then_cut, text_stream, when
from harness.route_spec import completion
from playground_page import NARROW, Playground

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(90)]


@pytest.fixture
def halves(playground_stack: KeyedStack) -> Halves:
    model = Halves()
    playground_stack.main.answers(model)
    return model


async def test_playground_shows_an_answer_as_it_streams_with_its_figures(
    playground: Playground, halves: Halves
) -> None:
    await playground.send("Hello!")
    await playground.shows(FIRST)
    assert await playground.text() == FIRST

    halves.second.set()
    await playground.ended()

    assert await playground.text() == FIRST + SECOND
    assert re.fullmatch(r"\d+ ms|[\d.]+ s", await playground.figure("first-token"))
    assert re.fullmatch(r"[\d.]+ tokens/s", await playground.figure("speed"))
    assert await playground.figure("tokens") == "3 in, 2 out"
    assert await playground.figure("cost") == "0.0023"
    assert re.match(r"req_[0-9a-f]{24}", await playground.figure("request"))
    (call,) = halves.calls
    assert call.body["messages"] == [{"role": "user", "content": "Hello!"}]


@pytest.mark.parametrize(
    "stop", ["await page.keyboard.press('Escape')", "await page.getByRole('button', { name: 'Stop' }).click()"]
)
async def test_playground_stops_an_answer(playground: Playground, halves: Halves, stop: str) -> None:
    await playground.send("Hello!")
    await playground.shows(FIRST)

    await playground.run(stop)

    await playground.ended("stopped")
    await halves.calls[0].left()
    assert await playground.text() == FIRST
    assert await playground.figure("state") == "Stopped"


async def test_playground_reads_on_after_a_reload(playground: Playground, halves: Halves) -> None:
    await playground.send("Hello!")
    await playground.shows(FIRST)

    await playground.run("await page.reload()")
    await playground.shows(FIRST)
    halves.second.set()
    await playground.ended()

    assert await playground.text() == FIRST + SECOND
    assert await playground.figure("cost") == "0.0023"
    assert len(halves.calls) == 1
    await playground.run("await page.reload()")
    await playground.ended()
    assert await playground.text() == FIRST + SECOND
    assert len(halves.calls) == 1


async def test_playground_reads_on_after_a_broken_connection(
    playground_stack: KeyedStack, browser: Browser, halves: Halves
) -> None:
    async with Playground.behind_link(browser, playground_stack.gateway_port) as (playground, link):
        await playground.send("Hello!")
        await playground.shows(FIRST)

        link.cut()
        await link.mend()
        halves.second.set()
        await playground.ended()

        assert await playground.text() == FIRST + SECOND
    assert len(halves.calls) == 1


async def test_playground_asks_for_a_key_and_keeps_it_in_the_tab(
    playground_stack: KeyedStack, browser: Browser
) -> None:
    playground_stack.main.answers(text_stream("Hello"))
    async with Playground.opened(browser, playground_stack.url, None) as playground:
        await playground.shows("This gateway needs a key.")
        field = "page.getByLabel('Key', { exact: true })"
        await playground.run(f"await {field}.fill('sk-penstock-wrong'); await {field}.press('Enter')")
        await playground.shows("The API key is not valid. Enter another key.")
        await playground.run(f"await {field}.fill(args.key); await {field}.press('Enter')", key=FIRST_KEY)
        await playground.run("await page.locator('#chat-model option[value=main]').waitFor({ state: 'attached' })")

        await playground.send("Hello!")
        await playground.ended()
        stored = await playground.evaluate(
            "[sessionStorage.getItem('penstock.key'), Object.keys(localStorage), document.cookie]"
        )
        assert stored == [FIRST_KEY, [], ""]
        assert FIRST_KEY not in await playground.run("return page.content()")

        await playground.run("await page.reload()")
        await playground.run("await page.locator('#chat-model option[value=main]').waitFor({ state: 'attached' })")
        other = await playground.run(
            "const tab = await context.newPage(); await tab.goto(args.url);"
            "await tab.getByText('This gateway needs a key.').waitFor();"
            "const found = await tab.evaluate(() => sessionStorage.length); await tab.close(); return found",
            url=playground_stack.url,
        )
        assert other <= 1  # the options of a request, and no key


async def test_playground_without_a_key_shows_what_to_do(playground_stack: KeyedStack, browser: Browser) -> None:
    async with Playground.opened(browser, playground_stack.url, None) as playground:
        await playground.shows("This gateway needs a key.")
        await playground.run("await page.keyboard.press('Escape')")
        await playground.shows("Set a valid API key with the key button at the top of the page.")
        assert await playground.run("return page.getByRole('dialog').count()") == 0


async def test_playground_shows_position_and_cause_while_a_request_waits(
    playground: Playground, playground_stack: KeyedStack
) -> None:
    gate = asyncio.Event()
    upstream = playground_stack.provider.upstream(NARROW)
    upstream.answers(when(gate, text_stream("first")), text_stream("second"))
    before = asyncio.create_task(playground_stack.post("/v1/chat/completions", {**completion(), "model": NARROW}))
    await upstream.called()

    await playground.choose(NARROW)
    await playground.send("Hello!")
    await playground.shows("Position 1 in the queue: all workers are busy")
    gate.set()

    await playground.ended()
    assert await playground.text() == "second"
    assert (await before).status_code == 200


async def test_playground_reads_on_after_a_reload_in_the_queue(
    playground: Playground, playground_stack: KeyedStack
) -> None:
    gate = asyncio.Event()
    upstream = playground_stack.provider.upstream(NARROW)
    upstream.answers(when(gate, text_stream("first")), text_stream("second"))
    before = asyncio.create_task(playground_stack.post("/v1/chat/completions", {**completion(), "model": NARROW}))
    await upstream.called()
    await playground.choose(NARROW)
    await playground.send("Hello!")
    await playground.shows("Position 1 in the queue")

    await playground.run("await page.reload()")
    gate.set()

    await playground.ended()
    assert await playground.text() == "second"
    assert (await before).status_code == 200
    assert len(upstream.calls) == 2


async def test_playground_shows_an_error_in_the_middle_of_an_answer(
    playground: Playground, playground_stack: KeyedStack
) -> None:
    playground_stack.main.answers(stream_then_cut(chunk("Half of"), chunk(" it")))
    await playground.send("Hello!")

    await playground.ended("failed")

    assert await playground.text() == "Half of it"
    failure = await playground.run("return page.getByRole('alert').filter({ visible: true }).innerText()")
    assert "provider_stream_broken" in failure
    assert "The answer broke off at the provider. Send it again." in failure
    assert (await playground.figure("request")).startswith("req_")

    playground_stack.main.answers(text_stream("Whole."))
    await playground.press("Again")
    await playground.ended()
    assert await playground.text() == "Whole."
    assert await playground.run("return page.locator('.answer').count()") == 1


async def test_playground_shows_an_error_before_an_answer(playground: Playground, playground_stack: KeyedStack) -> None:
    playground_stack.main.answers(
        status(400, body={"error": {"message": "temperature must be at most 1", "code": "bad"}})
    )
    await playground.send("Hello!")

    await playground.ended("failed")

    failure = await playground.run("return page.getByRole('alert').filter({ visible: true }).innerText()")
    assert "temperature must be at most 1" in failure
    assert "provider_rejected" in failure


async def test_playground_shows_an_unreachable_gateway(playground_stack: KeyedStack, browser: Browser) -> None:
    link = await Link.start(playground_stack.gateway_port)
    async with Playground.opened(browser, link.url.replace("nats:", "http:"), FIRST_KEY) as playground:
        link.cut()
        await playground.send("Hello!")
        await playground.ended("failed")
        await playground.shows("Check that the gateway runs and that this machine can reach it, then send it again.")


async def test_playground_folds_reasoning(playground: Playground, playground_stack: KeyedStack) -> None:
    playground_stack.main.answers(
        stream(delta(reasoning_content="First I think."), chunk("Then I answer."), finish(), DONE)
    )
    await playground.send("Hello!")
    await playground.ended()

    assert await playground.text() == "Then I answer."
    thought = "page.getByText('First I think.')"
    assert not await playground.run(f"return {thought}.isVisible()")
    await playground.run(f"await page.getByText('Reasoning').first().click(); await {thought}.waitFor()")
