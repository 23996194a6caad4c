"""Formats the report as text, and as a Markdown table."""

from . import catalogue, figures

_TIMES = ((1e6, "s"), (1e3, "ms"), (1, "us"), (0, "ns"))
_BYTES = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (0, "B"))
_RATES = ((1e6, "M"), (1e3, "k"), (0, ""))


def scaled(value, unit):
    """Returns a value in a unit of suitable size: (number, unit)."""
    if unit == "us":
        for size, name in _TIMES:
            if abs(value) >= size:
                return (value * 1e3 if name == "ns" else value / size), name
    if unit == "B":
        for size, name in _BYTES:
            if abs(value) >= size:
                return value / (size or 1), name
    if unit in ("calls/s", "items/s"):
        for size, prefix in _RATES:
            if abs(value) >= size:
                return value / (size or 1), f"{prefix + ' ' if prefix else ''}{unit}"
    return value, {"1/s": "per s"}.get(unit, unit)


def digits(number):
    """Formats three significant digits, without an exponent."""
    if number == 0 or abs(number) >= 99.95:
        return f"{number:.0f}"
    return f"{number:.1f}" if abs(number) >= 9.995 else f"{number:.2f}"


def text_of(value, unit):
    """Formats a value with its unit, as in `12.3 us`."""
    number, name = scaled(value, unit)
    return f"{digits(number)} {name}"


def _ratio(value):
    return "" if value is None else digits(value)


def _peer_name(name):
    return name.split(".")[1] if name else ""


def _note(figure):
    return "" if figure["scale"] == 1 else f"{figure['scale']:g} of the size"


def _cells(figure):
    unit = figure["unit"]

    def value(key):
        return "" if figure[key] is None else text_of(figure[key], unit)

    return [figure["name"], value("p50"), value("p99"), value("p999"), value("limit"), _ratio(figure["limit_ratio"]),
            value("best_peer"), _peer_name(figure["best_peer_name"]), _ratio(figure["best_peer_ratio"]),
            str(figure["samples"]), _note(figure)]


HEADINGS = ["figure", "p50", "p99", "p99.9", "limit", "x limit", "best peer", "", "x better", "samples", ""]


def _columns(rows, left):
    """Returns the lines of a table; the columns in `left` are aligned left, all others right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(w) if i in left else cell.rjust(w)
                        for i, (cell, w) in enumerate(zip(row, widths))).rstrip()


def machine_lines(machine):
    for key, value in machine.items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        yield f"{key.replace('_', ' ')}: {text}"


def _against_each(report):
    """Returns the rows of a table: our figures as rows, the other systems as columns."""
    by_name = {figure["name"]: figure for figure in report["figures"]}
    peers = [peer for peer in catalogue.PEERS if any(name in by_name for name in peer.names())]
    rows = [["figure", "tenon", *(peer.name for peer in peers)]]
    for name, target in catalogue.TARGETS.items():
        ours = by_name.get(name)
        theirs = [by_name.get(f"peer.{peer.name}.{target.peer}") for peer in peers]
        if ours and any(theirs):
            unit = ours["unit"]
            rows.append([name, text_of(ours["p50"], unit), *(
                "" if peer is None else
                f"{text_of(peer['p50'], unit)} ({digits(figures.cost_ratio(peer['p50'], ours['p50'], unit))})"
                for peer in theirs)])
    return rows


def to_text(report):
    """Returns the whole report for a terminal."""
    lines = list(machine_lines(report["machine"]))
    lines.append("")
    lines.extend(_columns([HEADINGS] + [_cells(figure) for figure in report["figures"]], left={0, 7, 10}))
    lines.append("")
    lines.append("x limit: how many times the limit's cost ours is. x better: how many times ours the best peer costs.")
    each = _against_each(report)
    if len(each) > 1:
        lines.extend(["", "Each system's median, and in brackets how many times ours it costs:",
                      *_columns(each, left={0}), ""])
    if any(figure["scale"] != 1 for figure in report["figures"]):
        lines.append("A figure with a note was measured at that part of the size its name says.")
    for name, reason in report.get("absent", {}).items():
        lines.append(f"absent: {name}: {reason}")
    for step, reason in report.get("failed", {}).items():
        lines.append(f"failed: {step}: {reason}")
    return "\n".join(lines) + "\n"


def to_markdown(report):
    """Returns our figures that have a comparison, as a table for a README."""
    lines = ["| figure | p50 | p99 | limit | x limit | best peer | x better |", "|---|--:|--:|--:|--:|---|--:|"]
    titles = {peer.name: peer.title for peer in catalogue.PEERS}
    for figure in report["figures"]:
        if not figure["name"].startswith("tenon."):
            continue
        if figure["limit"] is None and figure["best_peer"] is None:
            continue
        name, p50, p99, _, limit, x_limit, peer, peer_name, x_better, _, note = _cells(figure)
        shown = f"`{name}`" + (f" ({note})" if note else "")
        peer_text = f"{peer}, {titles.get(peer_name, peer_name)}" if peer else ""
        lines.append(f"| {shown} | {p50} | {p99} | {limit} | {x_limit} | {peer_text} | {x_better} |")
    return "\n".join(lines) + "\n"
