"""The map of coverage as a picture: a heat map in SVG, for light and dark pages, with a title for every cell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape as escape_markup
from pathlib import Path

from seedgate.files import atomic_write
from seedgate.seeds.coverage import Cluster, Coverage
from seedgate.seeds.gaps import missing_cells, thin_cells

__all__ = ["picture", "write_picture"]

_CELL_W, _CELL_H, _TAG_H, _GAP = 44, 24, 16, 4
_CHAR_W = 6.6
"""Mean width of a letter at 12 px, to leave room for the longest label."""

_STEPS = 6
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_STYLE = """
svg { --page: #fff; --ink: #1f2430; --soft: #646b7a; --none: #f1f2f5; --line: #b3261e;
  --c1: #dbe8f6; --c2: #b3d0ec; --c3: #7fb0de; --c4: #5b9bd3; --c5: #2467a6; --c6: #11457c; }
@media (prefers-color-scheme: dark) { svg { --page: #15181f; --ink: #e8eaf0; --soft: #9aa2b2; --none: #20242e;
  --line: #ff8a80; --c1: #1d3349; --c2: #234b70; --c3: #2b669b; --c4: #3576ae; --c5: #77b1e0; --c6: #b9dcf7; } }
text { font: 12px system-ui, sans-serif; fill: var(--ink); }
.soft { fill: var(--soft); font-size: 11px; } .head { font-weight: 600; font-size: 15px; }
.n { text-anchor: middle; font-variant-numeric: tabular-nums; } .t { font-size: 10.5px; }
.right { text-anchor: end; } .page { fill: var(--page); } .s0 { fill: var(--none); }
.s1 { fill: var(--c1); } .s2 { fill: var(--c2); } .s3 { fill: var(--c3); } .s4 { fill: var(--c4); }
.s5 { fill: var(--c5); } .s6 { fill: var(--c6); } .on { fill: var(--page); }
.gap { fill: none; stroke: var(--line); stroke-width: 1.5; } .missing { stroke-dasharray: 3 2.5; }
"""


def write_picture(coverage: Coverage, path: Path) -> None:
    """Writes the picture, all of it or nothing."""
    with atomic_write(path) as file:
        file.write(picture(coverage).encode())


def picture(coverage: Coverage) -> str:
    """The SVG document."""
    left = max(130, *(round(len(label) * _CHAR_W) + 28 for label in coverage.labels))
    grid = list(_grid(coverage, left, 92))
    bottom = 92 + _rows_height(coverage)
    legend = list(_clusters(coverage, bottom + 60))
    beside = _texts_at(coverage) + max(len(_told(cluster)) for cluster in coverage.clusters) * _CHAR_W
    width = max(left + len(coverage.clusters) * _CELL_W + 24, round(beside))
    height = bottom + 60 + len(coverage.clusters) * 20 + 16
    total = sum(cluster.seeds for cluster in coverage.clusters)
    title = f"Coverage of {total} seeds"
    thin, missing = len(thin_cells(coverage)), len(missing_cells(coverage))
    rows = "All seeds" if coverage.labels == ("",) else f"{len(coverage.labels)} labels"
    what = f"{rows} by {len(coverage.clusters)} clusters of meaning"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img" aria-labelledby="title desc">',
        f'<title id="title">{title}</title>',
        f'<desc id="desc">{what}; {thin} cells with a single seed, {missing} where one is missing.</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{width}" height="{height}"/>',
        f'<text class="head" x="16" y="28">{title}</text>',
        f'<text class="soft" x="16" y="48">{_escape(_subtitle(coverage))}</text>',
        *grid,
        *(_key(16, bottom + 22) if coverage.labels != ("",) else ()),
        *legend,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _escape(text: str) -> str:
    """Text as XML can hold it; it has no way to write control characters."""
    return escape_markup(_NO_XML.sub("\ufffd", text))


def _subtitle(coverage: Coverage) -> str:
    by = "labels" if coverage.labels != ("",) else "all seeds"
    tags = f" with tags {', '.join(coverage.tags)}" if coverage.tags else ""
    return f"{by}{tags}, by clusters of meaning (numbered, described below); each number counts seeds"


def _rows_height(coverage: Coverage) -> int:
    return len(coverage.labels) * (_CELL_H + len(coverage.tags) * _TAG_H + _GAP)


def _grid(coverage: Coverage, left: int, top: int) -> Iterator[str]:
    counts = coverage.counts()
    most = max(counts.values())
    thin, missing = thin_cells(coverage), missing_cells(coverage)
    for number in range(len(coverage.clusters)):
        yield f'<text class="n soft" x="{left + (number + 0.5) * _CELL_W}" y="{top - 8}">{number + 1}</text>'
    y = top
    for label in coverage.labels:
        for tag in ("", *coverage.tags):
            height = _TAG_H if tag else _CELL_H
            style = "soft right t" if tag else "right"
            yield (
                f'<text class="{style}" x="{left - 10}" y="{y + height / 2 + 4}">'
                f"{_escape(tag or label or 'all seeds')}</text>"
            )
            for number, cluster in enumerate(coverage.clusters):
                count = counts.get((label, tag, number), 0)
                mark = "thin" if (label, number) in thin else "missing" if (label, number) in missing else ""
                where = " / ".join(part for part in (label, tag, cluster.name) if part)
                yield from _cell(
                    left + number * _CELL_W, y, height, count, most, "" if tag else mark, f"{where}: {count}"
                )
            y += height
        y += _GAP


def _cell(x: int, y: int, height: int, count: int, most: int, mark: str, title: str) -> Iterator[str]:
    step = 0 if not count else 1 + round((_STEPS - 1) * (count - 1) / max(most - 1, 1))
    width = _CELL_W - 2
    yield f"<g><title>{_escape(title + (f' ({mark})' if mark else ''))}</title>"
    yield f'<rect class="s{step}" x="{x + 1}" y="{y + 1}" width="{width}" height="{height - 2}" rx="2"/>'
    if mark:
        yield (
            f'<rect class="gap {mark}" x="{x + 2}" y="{y + 2}" width="{width - 2}" height="{height - 4}" rx="2"/>'
        )
    if count:
        style = f"n{' on' if step >= 5 else ''}{' t' if height == _TAG_H else ''}"
        yield f'<text class="{style}" x="{x + _CELL_W / 2}" y="{y + height / 2 + 4}">{count}</text>'
    yield "</g>"


def _key(x: int, y: int) -> Iterator[str]:
    for mark, text, width in (
        ("thin", "a single seed", 120),
        ("missing", "none, though the label comes close", 0),
    ):
        yield f'<rect class="gap {mark}" x="{x}" y="{y - 10}" width="18" height="13" rx="2"/>'
        yield f'<text class="soft" x="{x + 26}" y="{y}">{text}</text>'
        x += width


def _clusters(coverage: Coverage, top: int) -> Iterator[str]:
    for number, cluster in enumerate(coverage.clusters):
        y = top + number * 20
        yield f'<text class="right" x="34" y="{y}">{number + 1}</text>'
        yield f'<text x="44" y="{y}">{_escape(cluster.name)}</text>'
        yield f'<text class="soft" x="{_texts_at(coverage)}" y="{y}">{_escape(_told(cluster))}</text>'


def _texts_at(coverage: Coverage) -> int:
    return 60 + round(max(len(cluster.name) for cluster in coverage.clusters) * _CHAR_W)


def _told(cluster: Cluster) -> str:
    count = "1 seed" if cluster.seeds == 1 else f"{cluster.seeds} seeds"
    return f"{count}, such as “{cluster.text}” ({Path(cluster.medoid).name})"
