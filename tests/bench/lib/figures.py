"""Computes figures from samples: quantiles, and the comparisons of each figure."""

from dataclasses import dataclass, field

from . import catalogue


@dataclass
class Series:
    """All samples of one figure."""
    unit: str
    rounds: list = field(default_factory=list)  # The samples of each round.
    scale: float = 1.0

    def quantiles(self, shares):
        """Returns, for each share in rising order, the best value that this share of the samples
        reaches. All rounds have the same weight, although a round with fast calls has more samples
        than one with slow calls. For rates, this is the slow end."""
        weighed = sorted(((sample, 1 / len(samples)) for samples in self.rounds for sample in samples),
                         reverse=is_rate(self.unit))
        found, passed = [], 0.0
        values = iter(weighed)
        value = None
        for share in shares:
            while value is None or passed < share * len(self.rounds) - 1e-9:
                value, weight = next(values)
                passed += weight
            found.append(value)
        return found

    def round_medians(self):
        return [Series(self.unit, [samples]).quantiles([0.5])[0] for samples in self.rounds]


class Samples:
    """Collects the output of the measuring programs."""

    def __init__(self):
        self.series = {}

    def add(self, name, unit, samples, scale=1.0):
        if not samples:
            return
        series = self.series.setdefault(name, Series(unit))
        if series.unit != unit:
            raise ValueError(f"{name} came in {series.unit} and in {unit}")
        series.rounds.append(list(samples))
        series.scale = scale

    def derive(self):
        """Adds derived figures: what one more stage costs an item."""
        for name, few, many in (("2_to_5", 1, 5), ("6_to_20", 5, 20)):
            less, more = (self.series.get(f"tenon.pipeline.{stages}") for stages in (few, many))
            if less and more:
                costs = [(1e6 / b - 1e6 / a) / (many - few) for a, b in zip(less.round_medians(), more.round_medians())]
                self.add(f"tenon.pipeline.stage.{name}", "us", costs)


def is_rate(unit):
    return unit in catalogue.RATES


def cost_ratio(ours, other, unit):
    """Returns how many times as much ours costs: 1 is equal, 2 is twice the cost."""
    dear, cheap = (other, ours) if is_rate(unit) else (ours, other)
    return dear / cheap if cheap else None


def _best_peer(medians, wanted, unit):
    found = [(value, name) for name, value in medians.items()
             if name.startswith("peer.") and name.split(".", 2)[2] == wanted]
    if not found:
        return None, None
    return (max if is_rate(unit) else min)(found)


def make_figures(samples):
    """Returns the list for the report: one dictionary for each series."""
    samples.derive()
    medians = {name: series.quantiles([0.5])[0] for name, series in samples.series.items()}
    figures = []
    for name, series in sorted(samples.series.items(), key=lambda item: _order(item[0])):
        p50, p99, p999 = series.quantiles([0.5, 0.99, 0.999])
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
            "samples": sum(map(len, series.rounds)), "rounds": series.round_medians(), "scale": series.scale,
        })
    return figures


def matching(chosen, only):
    """Returns the figures whose names match, and those that they are compared with."""
    kept = set()
    for figure in chosen:
        if only.search(figure["name"]):
            limit = figure["limit_name"].split(" / ")[0] if figure["limit_name"] else None
            kept |= {figure["name"], figure["best_peer_name"], limit}
    return [figure for figure in chosen if figure["name"] in kept]


def _order(name):
    """Sorts limits first, then our figures in the order of the catalogue, then peers."""
    ours = list(catalogue.TARGETS)
    if name in catalogue.TARGETS:
        return (1, ours.index(name), name)
    return (0 if name.startswith("limit.") else 1 if name.startswith("tenon.") else 2, len(ours), name)
