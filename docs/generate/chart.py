"""The table of docs/reference/chart.md: the values of the chart, from the commented values.yaml."""

import importlib.util

from generate.page import ROOT


def values() -> str:
    """As `make chart` writes it into the chart's README."""
    found = importlib.util.spec_from_file_location("chart_reference", ROOT / "charts" / "reference.py")
    assert found is not None
    assert found.loader is not None
    reference = importlib.util.module_from_spec(found)
    found.loader.exec_module(reference)
    text: str = reference.table(reference.read((reference.CHART / "values.yaml").read_text("utf-8")))
    return text.rstrip("\n")
