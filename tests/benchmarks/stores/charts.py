"""The two charts of docs/rows-and-columns.md, as SVG that follows the reader's light or dark theme."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from html import escape

from tests.benchmarks.stores.result import MANY, ONE, Result, rounded

WIDTH = 760
LABEL = 190
"""Room for the label of a crossover."""
STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328; }
.title { font-size: 15px; font-weight: 600; } .quiet { fill: #59636e; font-size: 12px; } .strong { font-weight: 600; }
.page { fill: #ffffff; stroke: #d8dee4; } .grid { stroke: #e4e8ec; } .mark { stroke: #59636e; stroke-dasharray: 3 3; }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round; } .spread { stroke-width: 1.5; opacity: 0.55; }
.rows { stroke: #1f6feb; } .trino { stroke: #bf3989; } .duckdb { stroke: #9a6700; }
.dot.rows { fill: #1f6feb; } .dot.trino { fill: #bf3989; } .dot.duckdb { fill: #9a6700; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; } .quiet { fill: #9198a1; } .page { fill: #0d1117; stroke: #30363d; }
  .grid { stroke: #262c34; } .mark { stroke: #9198a1; }
  .rows { stroke: #58a6ff; } .trino { stroke: #ff80c8; } .duckdb { stroke: #e3b341; }
  .dot.rows { fill: #58a6ff; } .dot.trino { fill: #ff80c8; } .dot.duckdb { fill: #e3b341; }
}
"""
Scale = Callable[[float], float]
Draw = Callable[[Result], str]


def milliseconds(value: float) -> str:
    """Return a time for people: 0.31 ms, 42 ms, 1.8 s."""
    unit, shown = ("s", value / 1000) if value >= 1000 else ("ms", value)
    return f"{shown:.0f} {unit}" if shown >= 10 else f"{shown:.2g} {unit}"


def logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    """Return the function that places values between `low` and `high` on a logarithmic axis from `start` to `end`."""
    span = math.log(high / low)
    return lambda value: start + (end - start) * math.log(value / low) / span


def decades(low: float, high: float) -> list[float]:
    """Return the powers of ten from the one at or below `low` to the one at or above `high`; at least two."""
    first = math.floor(math.log10(low) + 1e-9)
    last = max(first + 1, math.ceil(math.log10(high) - 1e-9))
    return [10.0**power for power in range(first, last + 1)]


def words(x: float, y: float, content: str, style: str = "", anchor: str = "start") -> str:
    """Return a text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">{escape(content)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    """Return a straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{style}"/>'


def dot(x: float, y: float, style: str) -> str:
    """Return a point of a chart."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" class="dot {style}"/>'


def document(title: str, height: float, parts: Sequence[str]) -> str:
    """Return the whole SVG; `title` is also read aloud by screen readers."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" role="img">'
    frame = f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1:.0f}" rx="8" class="page"/>'
    body = [head, f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>", frame, words(24, 32, title, "title")]
    return "\n".join([*body, *parts, "</svg>\n"])


def apart(wanted: Sequence[float], distance: float) -> list[float]:
    """Return positions near the wanted ones, in their order, none closer to another than `distance`."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    placed = list(wanted)
    for before, after in itertools.pairwise(order):
        placed[after] = max(placed[after], placed[before] + distance)
    return placed


def growth(result: Result) -> str:
    """Return the chart of the aggregate's time by the number of orders, with the crossovers marked."""
    stores = result.stores
    times = [ms for each in stores for ms in each.series]
    left, right, top, bottom = 70.0, WIDTH - 150.0, 84.0, 372.0
    ticks = decades(min(times), max(times))
    x = logarithmic(result.sizes[0], result.sizes[-1], left, right)
    y = logarithmic(ticks[0], ticks[-1], bottom, top)
    won = sorted((rows, name) for name, rows in named(result) if rows is not None)
    about = "dashed: where columns overtake PostgreSQL" if won else "columns do not overtake PostgreSQL here"
    parts = [words(24, 52, f"Monthly aggregate, data in memory, both axes logarithmic; {about}.", "quiet")]
    for tick in ticks:
        parts += [line(left, y(tick), right, y(tick), "grid")]
        parts += [words(left - 8, y(tick) + 4, milliseconds(tick), "quiet", "end")]
    for size in result.sizes:
        if math.log10(size).is_integer() or size == result.sizes[-1]:
            parts.append(words(x(size), bottom + 20, f"{size:,}", "quiet", "middle"))
    parts.append(words((left + right) / 2, bottom + 40, "orders in the table", "quiet", "middle"))
    for index, (rows, name) in enumerate(won):  # the label of the left line is above that of the right one
        at, height = x(rows), top - 4 + 16 * index
        side = "end" if at > WIDTH - LABEL else "start"
        parts.append(line(at, height - 10, at, bottom, "mark"))
        parts.append(words(at + (-6 if side == "end" else 6), height, f"{name} from {rounded(rows)} on", "", side))
    ends = apart([y(each.series[-1]) for each in stores], 17)
    for each, end in zip(stores, ends, strict=True):
        points = [(x(size), y(ms)) for size, ms in zip(result.sizes, each.series, strict=True)]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        parts.append(f'<polyline points="{path}" class="line {each.colour}"/>')
        parts += [dot(px, py, each.colour) for px, py in points]
        parts.append(words(right + 12, end + 4, each.name, "strong"))
    return document("From how many orders on do columns win?", bottom + 56, parts)


def named(result: Result) -> list[tuple[str, float | None]]:
    """Return the engines that read columns, by their short names, with their crossovers."""
    return [(each.name.removeprefix("Iceberg, "), rows) for each, rows in result.crossovers()]


def comparison(result: Result) -> str:
    """Return the chart of all questions side by side: a dot at the median, a line to the 95th percentile."""
    groups = [
        (title, [(each, {**each.warm, **each.updates}[title]) for each in result.stores])
        for title in (*result.stores[0].warm, ONE, MANY)
    ]
    times = [ms for _, pairs in groups for _, timing in pairs for ms in (timing.median, timing.p95)]
    left, right, top, step = 250.0, WIDTH - 90.0, 104.0, 19.0
    ticks = decades(min(times), max(times))
    x = logarithmic(ticks[0], ticks[-1], left, right)
    parts, at = [], top
    for title, pairs in groups:
        parts.append(words(24, at + step, title, "strong"))
        for each, timing in pairs:
            median, p95 = x(timing.median), x(timing.p95)
            parts += [line(left, at, median, at, "grid"), line(median, at, p95, at, f"spread {each.colour}")]
            parts += [dot(median, at, each.colour), words(p95 + 10, at + 4, milliseconds(timing.median))]
            at += step
        at += step * 0.9
    axis = [words(24, 52, "Median time, data in memory; thin lines reach to the 95th percentile.", "quiet")]
    for tick in ticks:
        axis += [line(x(tick), top - 14, x(tick), at - step, "grid")]
        axis += [words(x(tick), at, milliseconds(tick), "quiet", "middle")]
    for index, each in enumerate(result.stores):
        axis += [dot(30 + 160 * index, 72, each.colour), words(40 + 160 * index, 76, each.name)]
    return document(f"{rounded(result.rows)} orders, one client", at + 20, [*axis, *parts])
