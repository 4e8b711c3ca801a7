"""Puts a benchmark's section into docs/benchmarks.md, between its markers."""

from __future__ import annotations

from pathlib import Path

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"


def write_section(name: str, text: str) -> None:
    start, end = f"<!-- {name}: written by make bench -->", f"<!-- end of {name} -->"
    document = DOCUMENT.read_text()
    before, _, rest = document.partition(start)
    _, _, after = rest.partition(end)
    DOCUMENT.write_text(f"{before}{start}\n{text}\n{end}{after}")
    print(text)
