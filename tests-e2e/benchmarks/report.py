"""Writes `.local/bench/report.html`: a table of all results, and for each its rounds beside the ceiling."""

from html import escape
from pathlib import Path
from statistics import median
from typing import Any

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 92rem; padding: 0 1rem;
  color: #1c2430 }
table { border-collapse: collapse; width: 100% }
th, td { padding: .35rem .5rem; text-align: left; border-bottom: 1px solid #d8dee6; vertical-align: top }
td:first-child { white-space: nowrap }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
figure { margin: 1.5rem 0; page-break-inside: avoid }
figcaption { margin-bottom: .3rem }
svg text { font: 12px system-ui, sans-serif; fill: #1c2430 }
td.n .quiet { white-space: normal; display: inline-block; width: 9.5rem }
.quiet { color: #5a6675; font-size: .88em }
"""
_VALUE, _CEILING = "#1f7a5c", "#c3ccd6"
_CPU_HEADS = ("CPU µs per request", "of the ceiling")
GOALS = {
    "gateway-proxy": "≥ 0.7",
    "gateway-proxy-added": "p99 ≤ 1 ms",
    "fairness": "p99 ≤ 1.1 × alone",
    "quota-overshoot": "≤ one interval's calls",
    "relay": "≥ 0.5",
    "relay-latency": "p99 < 200 ms",
    "import": "≥ 0.6",
    "match-batch": "≥ 0.5, ≥ 100,000/s",
    "allocation-alone": "≥ 1,000/s",
    "lookup": "≥ 1.2, p99 < 15 ms",
    "lookup-chain": "≥ 0.8",
    "scale": "p99 ≤ 1.2 × at 1 million",
    "birth-chain": "≥ 200/s, p95 < 300 ms",
    "birth-links": "p95 < 2 s",
    "enrolment-stop": "p99 < 1 s",
    "decisions": "no call is decided differently",
}
"""What we want to reach."""
_ORDER = (
    "gateway-proxy",
    "gateway-profile",
    "lookup",
    "lookup-chain",
    "verify",
    "relay",
    "import",
    "birth",
    "event",
)
_WIDTH, _BAR, _GAP, _LABEL = 760, 16, 4, 230


def _number(value: float | None, digits: int = 0) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _digits(value: float) -> int:
    return 0 if abs(value) >= 100 else 1


def _bar(y: int, length: float, colour: str, label: str, words: str) -> str:
    return (
        f'<text x="0" y="{y + 12}">{escape(label)}</text>'
        f'<rect x="{_LABEL}" y="{y}" width="{max(1.0, length):.1f}" height="{_BAR}" fill="{colour}"/>'
        f'<text x="{_LABEL + length + 6:.1f}" y="{y + 12}">{escape(words)}</text>'
    )


def _picture(one: dict[str, Any]) -> str:
    """Draw each round as a bar, the ceiling's turn beside it."""
    rounds = one["rounds"]
    bars: list[tuple[float, str, str, str]] = []
    for n, r in enumerate(rounds, 1):
        bars.append(
            (r["value"], _VALUE, r.get("label") or f"round {n}", _number(r["value"], _digits(r["value"])))
        )
        if r.get("ceiling"):
            bars.append((r["ceiling"], _CEILING, "ceiling", _number(r["ceiling"])))
    longest = max((b[0] for b in bars), default=0) or 1
    scale = (_WIDTH - _LABEL - 90) / longest
    drawn = "".join(
        _bar(i * (_BAR + _GAP), length * scale, colour, label, words)
        for i, (length, colour, label, words) in enumerate(bars)
    )
    height = len(bars) * (_BAR + _GAP)
    caption = f"<b>{escape(one['name'])}</b>, {escape(one['unit'])}"
    if one["ceiling"]:
        caption += f"; grey: {escape(one['ceiling']['name'])}"
    return (
        f"<figure><figcaption>{caption}<br><span class=quiet>{escape(one['conditions'])}</span></figcaption>"
        f'<svg width="{_WIDTH}" height="{height}" role="img" aria-label="{escape(one["name"])}: rounds">'
        f"{drawn}</svg></figure>"
    )


def _cpu(one: dict[str, Any], which: str) -> str:
    parts: dict[str, list[float]] = {}
    for r in one["rounds"]:
        for name, us in (r.get(which) or {}).items():
            parts.setdefault(name, []).append(us)
    return "<br>".join(f"{escape(n)} {median(us):,.0f}" for n, us in parts.items())


def _row(one: dict[str, Any]) -> str:
    ceiling = one["ceiling"]
    top = (
        f"{_number(ceiling['value'])}<br><span class=quiet>{escape(ceiling['name'])}</span>"
        if ceiling
        else ""
    )
    figures = (
        _number(one["value"], _digits(one["value"])),
        top,
        _number(one["ratio"], 2),
        *(_number(one[f"p{p}_ms"], 1) for p in (50, 95, 99)),
        _cpu(one, "cpu_us"),
        _cpu(one, "ceiling_cpu_us"),
        str(one["errors"]),
        escape(GOALS.get(one["name"], "")),
    )
    cells = "".join(f"<td class=n>{figure}" for figure in figures)
    return f"<tr><td><b>{escape(one['name'])}</b><br><span class=quiet>{escape(one['unit'])}</span>{cells}"


def _place(one: dict[str, Any]) -> tuple[int, int, str]:
    name = str(one["name"])
    known = max((p for p in _ORDER if name.startswith(p)), key=len, default="")
    return (_ORDER.index(known) if known else len(_ORDER), len(name), name)


def write_report(results: list[dict[str, Any]], target: Path) -> Path:
    """Write the page and return its place."""
    results = sorted(results, key=_place)
    heads = ("figure", "ceiling", "ratio", "p50 ms", "p95 ms", "p99 ms", *_CPU_HEADS, "errors", "goal")
    machine = results[-1]["machine"] if results else {}
    about = ", ".join(str(v) for v in machine.values())
    commits = ", ".join(sorted({r["commit"] for r in results}))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(
        "<!doctype html><html lang=en><meta charset=utf-8><title>ndx benchmarks</title>"
        f"<style>{_STYLE}</style><h1>ndx benchmarks</h1>"
        f"<p class=quiet>CPU, cores, memory, kernel: {escape(about)}; commit {escape(commits)}. Medians over"
        " rounds; a ratio is the median of the rounds' ratios, each to the ceiling's turn beside it.</p>"
        f"<table><tr><th>benchmark{''.join(f'<th class=n>{h}' for h in heads)}"
        f"{''.join(map(_row, results))}</table>{''.join(map(_picture, results))}",
        encoding="utf-8",
    )
    return target
