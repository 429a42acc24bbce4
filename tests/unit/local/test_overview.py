"""The screen shows addresses, routes that serve, and a command to copy for each of them."""

import msgspec

from penstock_contract.route.spec import ModelRoute
from penstock_local.models.bundled import ModelState
from penstock_local.routes.plan import PlannedRoute, plan
from penstock_local.routes.route_files import LoadedRoute, RouteFile, load, read
from penstock_local.terminal.overview import Ink, exposure_warning, key_notice, local_url, render

KEYLESS = """
apiVersion: penstock.dev/v1alpha1
kind: ModelRoute
metadata: {name: paid, namespace: ai}
spec:
  models: [{name: a}, {name: b, aliases: [c, d]}]
  providers: [{name: p, type: Anthropic, secretKeyRef: {name: paid, key: key}}]
"""
PLAIN = Ink(colour=False)


def _planned(*files: RouteFile, working: bool = True) -> tuple[list[PlannedRoute], frozenset[str]]:
    state = ModelState(address="http://127.0.0.1:40123")
    planned = plan(load([*read([]), *files]), {}, {"chat": state, "embedding": state}, started_at=0)
    return planned, frozenset(route.entry.key for route in planned if working)


def test_overview_prints_this_screen() -> None:
    planned, working = _planned(RouteFile("f", KEYLESS))
    assert (
        render("http://127.0.0.1:8080", planned, working, PLAIN, after_s=1.2, host="127.0.0.1")
        == """
Penstock listens on http://127.0.0.1:8080 after 1.2 s
No API key is required: only this machine can reach it
State: none, keys and usage end with this run

  ROUTE    MODELS           PROVIDER                   STATE
  smollm2  smollm2          SmolLM2-135M, bundled      ready
  minilm   minilm           all-MiniLM-L6-v2, bundled  ready
  ai/paid  a, b, c, 1 more  Anthropic                  not ready: set PAID_KEY

Try:
  curl -N http://127.0.0.1:8080/api/generate -d '{"model":"smollm2","prompt":"Why is the sky blue?"}'
  curl http://127.0.0.1:8080/api/embed -d '{"model":"minilm","text":"cat"}'
"""
    )


def test_overview_names_the_playground_if_it_is_served() -> None:
    planned, working = _planned()
    screen = render("http://a", planned, working, PLAIN, after_s=1.2, host="127.0.0.1", playground=True)
    assert "Penstock listens on http://a after 1.2 s; a browser shows the playground there" in screen


def test_overview_has_one_line_about_an_unoptimised_python() -> None:
    planned, working = _planned()
    plain = render("", planned, working, PLAIN, after_s=0, host="127.0.0.1")
    noted = render("", planned, working, PLAIN, after_s=0, host="127.0.0.1", slower="this Python is slow")
    assert set(noted.splitlines()) - set(plain.splitlines()) == {"Note: this Python is slow"}
    assert len(noted.splitlines()) == len(plain.splitlines()) + 1


def test_overview_shows_a_route_without_its_worker_as_not_ready() -> None:
    planned, working = _planned(working=False)
    assert "not ready: its worker has not reported yet" in render(
        "", planned, working, PLAIN, after_s=0, host="127.0.0.1"
    )


def test_overview_uses_colour_only_if_enabled() -> None:
    planned, working = _planned()
    assert "\x1b[32mready\x1b[0m" in render("", planned, working, Ink(colour=True), after_s=0, host="127.0.0.1")
    assert "\x1b" not in render("", planned, working, PLAIN, after_s=0, host="127.0.0.1")


def test_overview_quotes_a_command_for_the_shell() -> None:
    document = msgspec.yaml.decode(
        KEYLESS.replace("a}, {name: b, aliases: [c, d]}", '"it\'s"}').replace(
            "{name: p, type: Anthropic, secretKeyRef: {name: paid, key: key}}",
            "{name: p, type: Simulated, simulated: {}}",
        )
    )
    (route,) = plan([LoadedRoute("f", msgspec.convert(document, ModelRoute))], {}, {}, started_at=0)
    shown = render("http://h", [route], frozenset({"ai.paid"}), PLAIN, after_s=0, host="127.0.0.1")
    assert """-d '{"model":"it'"'"'s","prompt":"Why is the sky blue?"}'""" in shown


def test_overview_shows_a_wildcard_address_as_a_local_one() -> None:
    assert local_url("0.0.0.0", 80) == "http://127.0.0.1:80"
    assert local_url("::", 80) == "http://[::1]:80"
    assert local_url("192.0.2.1", 80) == "http://192.0.2.1:80"


def test_overview_warns_of_a_listener_on_all_interfaces() -> None:
    assert exposure_warning("127.0.0.1", None) is None
    assert "spends your keys" in (exposure_warning("0.0.0.0", None) or "")
    assert "needs the key" in (exposure_warning("0.0.0.0", "sk-penstock-1") or "")


def test_overview_shows_a_required_key_and_adds_it_to_every_command() -> None:
    planned, working = _planned()
    shown = render("http://h", planned, working, PLAIN, after_s=0, host="0.0.0.0", key="sk-penstock-1")
    assert "API key: sk-penstock-1" in shown
    commands = [line for line in shown.splitlines() if line.startswith("  curl")]
    assert commands
    assert all(" -H 'authorization: Bearer sk-penstock-1' " in command for command in commands)


def test_overview_warns_of_disabled_authentication() -> None:
    assert key_notice("0.0.0.0", None) == "No API key is required: PENSTOCK_AUTHENTICATION is off"
