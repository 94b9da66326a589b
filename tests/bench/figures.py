"""What a benchmark measured: figures, some with a target; a table for people, lines of JSON."""

import statistics
from collections.abc import Iterable, Sequence

from attrs import asdict, define, field, frozen


@frozen
class Figure:
    """One measured value; at most one of `at_most` and `at_least` is its target."""

    part: str
    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target was met; None if there is none."""
        if self.at_most is not None:
            return self.value <= self.at_most
        if self.at_least is not None:
            return self.value >= self.at_least
        return None

    @property
    def target(self) -> str:
        if self.at_most is not None:
            return f"<= {self.at_most:g}"
        return "" if self.at_least is None else f">= {self.at_least:g}"


@define
class Book:
    """All figures of one run, in the order in which they were measured."""

    figures: list[Figure] = field(factory=list)

    def add(
        self,
        part: str,
        name: str,
        value: float,
        unit: str,
        *,
        at_most: float | None = None,
        at_least: float | None = None,
    ) -> None:
        """Note one figure."""
        self.figures.append(Figure(part, name, value, unit, at_most, at_least))

    def times(
        self,
        part: str,
        name: str,
        seconds: Sequence[float],
        *,
        p50: float | None = None,
        p99: float | None = None,
    ) -> None:
        """Note the median and the 99th percentile of these times; `p50`, `p99`: targets in ms."""
        self.add(part, f"{name}, p50", quantile(seconds, 50) * 1e3, "ms", at_most=p50)
        self.add(part, f"{name}, p99", quantile(seconds, 99) * 1e3, "ms", at_most=p99)

    @property
    def missed(self) -> list[Figure]:
        return [figure for figure in self.figures if figure.met is False]


def quantile(samples: Sequence[float], percent: int) -> float:
    """The value below which `percent` of the samples lie."""
    if len(samples) < 2:
        return samples[0]
    return statistics.quantiles(samples, n=100, method="inclusive")[percent - 1]


def table(figures: Iterable[Figure]) -> list[str]:
    """Lines of a table, one section for each part."""
    lines: list[str] = []
    part = None
    for one in figures:
        if one.part != part:
            part = one.part
            lines += ["", part]
        verdict = {None: "", True: "met", False: "MISSED"}[one.met]
        cells = f"{one.name:<58}{_number(one.value):>10} {one.unit:<6}{one.target:<9} {verdict}"
        lines.append(f"  {cells}".rstrip())
    return lines


def as_json(figure: Figure) -> dict[str, object]:
    """The figure and whether it met its target."""
    return asdict(figure) | {"met": figure.met}


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}"
