"""Puts the stored figures of the estimation benchmark into the page that shows them.

python benchmarks/page.py
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent
STORED, PAGE = HERE / "results/estimation.json", HERE.parent / "docs/benchmark.md"
BEGIN, END = "<!-- figures: written by benchmarks/page.py -->\n", "<!-- end of figures -->"


def main() -> None:
    """Rewrite what stands between the two marks."""
    rows = json.loads(STORED.read_text())["rows"]
    before, rest = PAGE.read_text().split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(before + BEGIN + "\n" + make_tables(rows) + "\n" + END + after)
    print(f"{len(rows)} rows are in {PAGE}.")


def make_tables(rows: Sequence[Mapping]) -> str:
    """Return the figures as two tables in Markdown: accuracy, then cost."""
    accuracy, cost = [], []
    for row in rows:
        name = f"{row['set']}. {row['name']}" + (f": {row['method']}" if row.get("method") else "")
        q, rotation, shift = (
            _pair(row, kind, digits) for kind, digits in (("amplitude", 2), ("rotation", 2), ("shift", 3))
        )
        ratio = _show(row.get("ratio"), 2) + (f" ({row['limit, ratio']:.2f})" if row.get("limit, ratio") else "")
        if row.get("RMSD / best"):
            ratio = f"RMSD {row['RMSD to the true sites (A)']:.2f} A = {row['RMSD / best']:.2f} x the best possible"
        failed = _percent(row.get("failed")) + (
            f" ({_percent(row['limit, failed'])})" if "limit, failed" in row else ""
        )
        bars = [_percent(row.get("coverage 68 %")), _percent(row.get("coverage 95 %")), _show(row.get("z SD"), 2)]
        score = _show(row.get("AUC of the score"), 2)
        unnoticed = _percent(row.get("failed, not noticed"))
        accuracy.append([name, row["images"], q, rotation, shift, ratio, failed, unnoticed, *bars, score])
        times = [_show(row.get(key), 2) for key in ("CPU s an image", "refinement, CPU s an image")]
        local = f"{_show(row.get('refinement, ratio'), 2)} / {_percent(row.get('refinement, failed'))}"
        cost.append([name, *times, local, _show(row.get("bank (CPU s)"), 0), _show(row.get("peak memory (GiB)"), 2)])
    head = ["set", "images", "amplitude, A", "rotation, deg", "shift, A", "ratio", "failed", "not noticed"]
    head += ["68 %", "95 %", "z SD", "AUC"]
    other = ["set", "search, CPU s an image", "local refinement, CPU s an image", "its ratio / failed"]
    return _tabulate(head, accuracy) + "\n" + _tabulate([*other, "bank, CPU s", "peak memory, GiB"], cost)


def _pair(row: Mapping, kind: str, digits: int) -> str:
    bound = row.get(f"bound, {kind}")
    return _show(row.get(f"error, {kind}"), digits) + (f" ({bound:.{digits}f})" if bound is not None else "")


def _show(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _tabulate(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


if __name__ == "__main__":
    main()
