"""The generated parts of the documentation equal the output of `make docs`."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from generate import metrics, model_route, pictures
from generate.page import DOCS, MARKED, UnknownSectionError, linked, pages, rendered, table
from generate.sections import SECTIONS
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry, generate_latest

from penstock_contract.error_codes import ERRORS
from penstock_contract.route.spec import ModelRoute
from penstock_runtime.telemetry import names

PAGES = {page.relative_to(DOCS).as_posix(): page for page in pages()}
MARKS = {name: [found["name"] for found in MARKED.finditer(page.read_text("utf-8"))] for name, page in PAGES.items()}


@pytest.mark.parametrize("name", [name for name, marks in MARKS.items() if marks])
def test_docs_generated_parts_equal_the_code(name: str) -> None:
    page = PAGES[name]
    assert rendered(page, SECTIONS) == page.read_text("utf-8"), "run `make docs`"


@pytest.mark.parametrize("name", pictures.rendered())
def test_docs_pictures_equal_their_sources(name: str) -> None:
    assert pictures.rendered()[name] == (pictures.FOLDER / name).read_text("utf-8"), "run `make docs`"


@pytest.mark.parametrize("name", pictures.rendered())
def test_docs_pictures_load_nothing_and_keep_within_their_bounds(name: str) -> None:
    root = ET.fromstring((pictures.FOLDER / name).read_text("utf-8"))
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for element in root.iter():
        assert element.tag.split("}")[1] in {"svg", "title", "defs", "marker", "rect", "path", "text"}
        assert not any("href" in key or "url(" in value.replace("url(#", "") for key, value in element.attrib.items())
        if element.tag.endswith("}text"):
            half = len(element.text or "") * float(element.attrib["font-size"]) * 0.3
            assert half <= float(element.attrib["x"]) <= width - half
            assert 0 < float(element.attrib["y"]) < height


def test_docs_every_section_is_on_one_page() -> None:
    marked = [mark for marks in MARKS.values() for mark in marks]
    assert sorted(marked) == sorted(SECTIONS)


def test_docs_an_unknown_section_is_an_error(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- generated: no such section -->\n<!-- end -->\n", "utf-8")
    with pytest.raises(UnknownSectionError, match="no such section"):
        rendered(page, SECTIONS)


def test_docs_a_generated_part_replaces_what_was_there(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- generated: one -->\nold\n<!-- end -->\nafter\n", "utf-8")
    assert rendered(page, {"one": lambda: "new"}) == "before\n<!-- generated: one -->\nnew\n<!-- end -->\nafter\n"


def test_docs_references_in_code_become_links() -> None:
    text = "Closed (docs/security.md#keys). See docs/reference/errors.md."
    title = re.match("# (.+)", (DOCS / "reference" / "errors.md").read_text("utf-8"))
    assert title is not None
    made = linked(text, DOCS / "reference" / "settings.md")
    assert made == f"Closed ([Security](../security.md#keys)). See [{title[1]}](errors.md)."


def test_docs_a_bar_in_a_cell_is_refused() -> None:
    with pytest.raises(AssertionError):
        table(("a",), [("b | c",)])


def test_docs_model_route_tables_hold_every_field() -> None:
    every = [row[0] for row in model_route.rows(ModelRoute)]
    shown = [
        line.split(" | ")[0].removeprefix("| ")
        for name in model_route.groups()
        for line in SECTIONS[name]().split("\n")[2:]
    ]
    assert sorted(shown) == sorted(every)


def test_docs_error_tables_hold_every_code() -> None:
    shown = "\n".join(SECTIONS[name]() for name in ("errors of the API", "errors of the admin API", "errors in logs"))
    assert [code for code in ERRORS if f"| `{code}` |" not in shown] == []


def test_docs_metric_tables_hold_every_metric() -> None:
    named = {value for name, value in vars(names).items() if name.startswith("METRIC_")} | {names.QUEUE_WAIT}
    gateway, worker, operator = (
        {one.name for one in of_process} for of_process in (metrics.gateway(), metrics.worker(), metrics.operator())
    )
    assert gateway | worker | operator == named
    # Each process has its uptime.
    assert gateway & operator == {names.METRIC_BROKER_CONNECTED, names.METRIC_UPTIME}
    assert worker & (gateway | operator) == {names.METRIC_UPTIME}


@pytest.mark.parametrize("one", [*metrics.gateway(), *metrics.worker(), *metrics.operator()], ids=lambda one: one.name)
def test_docs_prometheus_names_are_the_exporters(one: metrics.Instrument) -> None:
    reader = PrometheusMetricReader()
    registry = CollectorRegistry()
    registry.register(reader._collector)
    meter = MeterProvider([reader], shutdown_on_exit=False).get_meter("test")
    match one.kind:
        case "histogram":
            meter.create_histogram(one.name, one.unit, one.description).record(1)
        case "counter":
            meter.create_observable_counter(one.name, [lambda _: [Observation(1)]], one.unit, one.description)
        case "gauge":
            meter.create_observable_gauge(one.name, [lambda _: [Observation(1)]], one.unit, one.description)
    assert re.search(rf"^{one.prometheus}[{{ ]", generate_latest(registry).decode(), re.MULTILINE)
