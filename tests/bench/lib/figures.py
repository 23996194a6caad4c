"""From samples to figures: quantiles, and what each figure is held against."""

from dataclasses import dataclass, field

from . import catalogue


@dataclass
class Series:
    """All samples of one figure, over all rounds."""
    unit: str
    samples: list = field(default_factory=list)
    scale: float = 1.0
    rounds: list = field(default_factory=list)  # Medians of each round.


class Samples:
    """Gathers what the measuring programs print."""

    def __init__(self):
        self.series = {}

    def add(self, name, unit, samples, scale=1.0):
        if not samples:
            return
        series = self.series.setdefault(name, Series(unit))
        if series.unit != unit:
            raise ValueError(f"{name} came in {series.unit} and in {unit}")
        series.samples.extend(samples)
        series.scale = scale
        series.rounds.append(quantile(sorted(samples), 0.5))

    def derive(self):
        """Figures that follow from others: what one stage more costs an item."""
        for name, few, many in (("2_to_5", 1, 5), ("6_to_20", 5, 20)):
            less, more = (self.series.get(f"tenon.pipeline.{stages}") for stages in (few, many))
            if less and more:
                costs = [(1e6 / b - 1e6 / a) / (many - few) for a, b in zip(less.rounds, more.rounds)]
                self.add(f"tenon.pipeline.stage.{name}", "us", costs)


def quantile(ordered, share):
    """The smallest sample that is at least as large as `share` of all."""
    index = -(-len(ordered) * share // 1) - 1  # Rounded up.
    return ordered[max(0, min(len(ordered) - 1, int(index)))]


def is_rate(unit):
    return unit in catalogue.RATES


def _quantiles(series):
    """p50, p99 and p99.9: so many of the samples are at least as good. For a rate, the slow end."""
    ordered = sorted(series.samples, reverse=is_rate(series.unit))
    return [quantile(ordered, share) for share in (0.5, 0.99, 0.999)]


def cost_ratio(ours, other, unit):
    """How many times as much ours costs: 1 is as good, 2 is twice as dear."""
    dear, cheap = (other, ours) if is_rate(unit) else (ours, other)
    return dear / cheap if cheap else None


def _best_peer(medians, wanted, unit):
    found = [(value, name) for name, value in medians.items()
             if name.startswith("peer.") and name.split(".", 2)[2] == wanted]
    if not found:
        return None, None
    return (max if is_rate(unit) else min)(found)


def make_figures(samples):
    """The list of the report: one dictionary for each series."""
    samples.derive()
    medians = {name: _quantiles(series)[0] for name, series in samples.series.items()}
    figures = []
    for name, series in sorted(samples.series.items(), key=lambda item: _order(item[0])):
        p50, p99, p999 = _quantiles(series)
        target = catalogue.TARGETS.get(name, catalogue.Target())
        limit, limit_name = medians.get(target.limit), target.limit or None
        if limit is not None and target.divisor != 1:
            limit, limit_name = limit / target.divisor, f"{target.limit} / {target.divisor}"
        peer, peer_name = _best_peer(medians, target.peer, series.unit) if target.peer else (None, None)
        figures.append({
            "name": name, "unit": series.unit, "p50": p50, "p99": p99, "p999": p999,
            "limit": limit, "limit_name": limit_name if limit is not None else None,
            "limit_ratio": cost_ratio(p50, limit, series.unit) if limit is not None else None,
            "best_peer": peer, "best_peer_name": peer_name,
            "best_peer_ratio": cost_ratio(peer, p50, series.unit) if peer is not None else None,
            "samples": len(series.samples), "rounds": series.rounds, "scale": series.scale,
        })
    return figures


def matching(chosen, only):
    """Those whose names match, and what they are held against."""
    kept = set()
    for figure in chosen:
        if only.search(figure["name"]):
            limit = figure["limit_name"].split(" / ")[0] if figure["limit_name"] else None
            kept |= {figure["name"], figure["best_peer_name"], limit}
    return [figure for figure in chosen if figure["name"] in kept]


def _order(name):
    """Limits, ours in the order of the catalogue, peers."""
    ours = list(catalogue.TARGETS)
    if name in catalogue.TARGETS:
        return (1, ours.index(name), name)
    return (0 if name.startswith("limit.") else 1 if name.startswith("tenon.") else 2, len(ours), name)
