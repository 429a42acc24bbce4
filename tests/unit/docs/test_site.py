"""The check of the built site rejects content that is loaded from another host."""

from pathlib import Path

import pytest
from generate.local_only import remote


@pytest.mark.parametrize(
    "loads",
    [
        '<script src="https://cdn.example/a.js"></script>',
        '<link rel="stylesheet" href="//fonts.example/css">',
        '<link rel="preconnect" href="https://fonts.example">',
        '<img src="http://images.example/a.png">',
        '<pre class="mermaid"><code>graph</code></pre>',
    ],
)
def test_docs_site_with_a_remote_load_is_refused(tmp_path: Path, loads: str) -> None:
    (tmp_path / "index.html").write_text(f"<html><head>{loads}</head></html>", "utf-8")
    assert len(list(remote(tmp_path))) == 1


@pytest.mark.parametrize(
    "rule", ["@import 'https://fonts.example/a.css';", "a{background:url(//images.example/a.png)}"]
)
def test_docs_site_with_a_remote_style_is_refused(tmp_path: Path, rule: str) -> None:
    (tmp_path / "style.css").write_text(rule, "utf-8")
    assert len(list(remote(tmp_path))) == 1


def test_docs_site_may_link_anywhere(tmp_path: Path) -> None:
    links = '<a href="https://other.example">x</a><link rel="canonical" href="https://docs.example"><img src="a.svg">'
    (tmp_path / "index.html").write_text(links, "utf-8")
    (tmp_path / "style.css").write_text("a{background:url(data:image/svg+xml;base64,AA)}", "utf-8")
    assert list(remote(tmp_path)) == []
