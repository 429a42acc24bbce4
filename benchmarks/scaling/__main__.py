"""`make simulate`: run all traces and bring the table of docs/operations/scaling.md up to date."""

from pathlib import Path

from scaling import report

PAGE = Path(__file__).parents[2] / "docs" / "operations" / "scaling.md"


def main() -> None:
    table = report.markdown(list(report.rows()))
    print(table)
    PAGE.write_text(report.with_table(PAGE.read_text(encoding="utf-8"), table), encoding="utf-8")


main()
