"""Draws charts as SVG: bars on a logarithmic scale, and lines over sizes."""

import math
from html import escape

from . import catalogue, figures, table

_COLOURS = {"limit": "#8a8f98", "tenon": "#1f6feb", "peer": "#e08a3c"}
_INK, _FAINT, _PAPER = "#1f2328", "#d8dce2", "#ffffff"
_FONT = "font-family=\"system-ui, 'DejaVu Sans', sans-serif\""


def _text(x, y, text, size=12, anchor="start", colour=_INK, weight="normal"):
    """Returns text with an outline, so that lines do not cross it."""
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}" '
            f'font-weight="{weight}" stroke="{_PAPER}" stroke-width="4" stroke-linejoin="round" '
            f'paint-order="stroke">{escape(text)}</text>')


def _tick_text(value, unit):
    number, name = table.scaled(value, unit)
    return f"{number:g} {name}".replace("calls/s", "/s").replace("items/s", "/s").replace(" /s", "/s")


def _page(width, height, title, subtitle, body):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" {_FONT}>',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="{_PAPER}"/>',
        _text(20, 30, title, 17, weight="bold"), _text(20, 50, subtitle, 12, colour="#57606a"), *body, "</svg>", ""])


def _kind(name):
    return name.split(".", 1)[0]


class _LogScale:
    """Maps values to pixels between two limits, which are the surrounding powers of ten."""

    def __init__(self, values, first, last):
        self.low = math.floor(math.log10(min(values)) + 1e-9)
        self.high = max(self.low + 1, math.ceil(math.log10(max(values)) - 1e-9))
        self.first, self.last = first, last

    def place(self, value):
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.first + max(0.0, min(1.0, share)) * (self.last - self.first)

    def ticks(self):
        return [10.0 ** power for power in range(self.low, self.high + 1)]


def _legend(x, y, kinds):
    names = {"limit": "the machine's limit", "tenon": "tenon", "peer": "others"}
    parts = []
    for kind in kinds:
        parts.append(f'<rect x="{x}" y="{y - 9}" width="11" height="11" rx="2" fill="{_COLOURS[kind]}"/>')
        parts.append(_text(x + 16, y, names[kind], 12))
        x += 32 + 7 * len(names[kind])
    return parts


def bars(title, subtitle, chosen):
    """Draws horizontal bars of p50; a thin line extends to p99. `chosen`: figures of one unit, none
    of them zero."""
    label_width, width, step, top = 310, 900, 26, 92
    height = top + step * len(chosen) + 40
    ends = [value for figure in chosen for value in (figure["p50"], figure["p99"]) if value > 0]
    unit = chosen[0]["unit"]
    # The scale starts at the power of ten below the smallest value, so that each bar is visible.
    scale = _LogScale([min(ends) * 0.5, max(ends)], label_width, width - 110)
    body = _legend(20, 74, [kind for kind in _COLOURS if any(_kind(f["name"]) == kind for f in chosen)])
    bottom = top + step * len(chosen)
    for tick in scale.ticks():
        x = scale.place(tick)
        body.append(f'<line x1="{x:.1f}" y1="{top - 4}" x2="{x:.1f}" y2="{bottom}" stroke="{_FAINT}"/>')
        body.append(_text(x, bottom + 18, _tick_text(tick, unit), 11, "middle", "#57606a"))
    for row, figure in enumerate(chosen):
        y = top + step * row
        colour = _COLOURS[_kind(figure["name"])]
        body.append(_text(label_width - 8, y + 15, catalogue.title_of(figure["name"]), 12, "end"))
        end = scale.place(figure["p50"])
        body.append(f'<rect x="{label_width}" y="{y + 3}" width="{max(1.5, end - label_width):.1f}" height="{step - 9}" '
                    f'rx="2" fill="{colour}"/>')
        at = end
        if figure["p99"] > 0 and not figures.is_rate(unit):
            at = max(end, scale.place(figure["p99"]))
            body.append(f'<line x1="{end:.1f}" y1="{y + 11.5}" x2="{at:.1f}" y2="{y + 11.5}" stroke="{colour}" '
                        'stroke-width="1.5"/>')
            body.append(f'<line x1="{at:.1f}" y1="{y + 7.5}" x2="{at:.1f}" y2="{y + 15.5}" stroke="{colour}" '
                        'stroke-width="1.5"/>')
        body.append(_text(at + 7, y + 15, table.text_of(figure["p50"], unit), 12))
    return _page(width, height, title, subtitle, body)


def timeline(title, subtitle, course):
    """Draws median and worst latency over time, on a logarithmic scale, with bands for the time
    spans of events. `course`: the timeline that a program printed."""
    width, height, left, right, top, bottom = 900, 420, 80, 870, 96, 370
    values = [value for value in (*course["median"], *course["worst"]) if value > 0]
    vertical = _LogScale(values, bottom, top)
    end = max(course["at_s"])

    def horizontal(seconds):
        return left + (right - left) * max(0.0, min(1.0, seconds / end))

    body = []
    for begin_s, end_s in zip(course["event_begin_s"], course["event_end_s"]):
        x = horizontal(begin_s)
        body.append(f'<rect x="{x:.1f}" y="{top}" width="{max(1.0, horizontal(end_s) - x):.1f}" height="{bottom - top}" '
                    f'fill="{_COLOURS["peer"]}" fill-opacity="0.25"/>')
    for tick in vertical.ticks():
        y = vertical.place(tick)
        body.append(f'<line x1="{left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="{_FAINT}"/>')
        body.append(_text(left - 8, y + 4, _tick_text(tick, course["unit"]), 11, "end", "#57606a"))
    step = 10.0 ** math.floor(math.log10(end / 2))
    for number in range(int(end / step) + 1):
        body.append(_text(horizontal(number * step), bottom + 20, f"{number * step:g} s", 11, "middle", "#57606a"))
    x = 20
    for key, colour, label in (("worst", _COLOURS["limit"], "the worst call in 10 ms"),
                               ("median", _COLOURS["tenon"], "the median call")):
        places = " ".join(f"{horizontal(at):.1f},{vertical.place(value):.1f}"
                          for at, value in zip(course["at_s"], course[key]) if value > 0)
        body.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{places}"/>')
        body.append(f'<rect x="{x}" y="65" width="11" height="11" rx="2" fill="{colour}"/>')
        body.append(_text(x + 16, 74, label, 12))
        x += 32 + 7 * len(label)
    body.append(f'<rect x="{x}" y="65" width="11" height="11" rx="2" fill="{_COLOURS["peer"]}" fill-opacity="0.35"/>')
    body.append(_text(x + 16, 74, "a swap is under way", 12))
    return _page(width, height, title, subtitle, body)


_SIZE_BYTES = {"64B": 64, "4KiB": 1 << 12, "64KiB": 1 << 16, "1MiB": 1 << 20, "64MiB": 1 << 26, "256MiB": 1 << 28}


def lines(title, subtitle, series, points):
    """Draws lines over sizes, on two logarithmic scales. `series`: (label, kind, dash, [(size name,
    value in us)]); `points`: (label, kind, size name, value)."""
    width, height, left, right, top, bottom = 900, 520, 80, 640, 80, 460
    values = [value for _, _, _, path in series for _, value in path] + [value for _, _, _, value in points]
    vertical = _LogScale(values, bottom, top)
    horizontal = {name: left + (right - left) * (math.log2(size) - 6) / 22 for name, size in _SIZE_BYTES.items()}
    body = []
    for tick in vertical.ticks():
        y = vertical.place(tick)
        body.append(f'<line x1="{left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="{_FAINT}"/>')
        body.append(_text(left - 8, y + 4, _tick_text(tick, "us"), 11, "end", "#57606a"))
    for name, x in horizontal.items():
        body.append(_text(x, bottom + 20, name, 11, "middle", "#57606a"))
    labels = []
    for label, kind, dash, path in series:
        places = [(horizontal[name], vertical.place(value)) for name, value in path]
        body.append(f'<polyline fill="none" stroke="{_COLOURS[kind]}" stroke-width="2.5" stroke-dasharray="{dash}" '
                    'points="' + " ".join(f"{x:.1f},{y:.1f}" for x, y in places) + '"/>')
        body.extend(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{_COLOURS[kind]}"/>' for x, y in places)
        labels.append((places[-1][1], places[-1], f"{label}: {table.text_of(path[-1][1], 'us')}", kind))
    for label, kind, name, value in points:
        x, y = horizontal[name], vertical.place(value)
        body.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{_COLOURS[kind]}"/>')
        labels.append((y, (x, y), f"{label}: {table.text_of(value, 'us')}", kind))
    body.extend(_spread(labels, right + 26, top, bottom))
    return _page(width, height, title, subtitle, body)


def _spread(labels, x, top, bottom):
    """Draws labels beside their points, moved apart where they would overlap."""
    labels = sorted(labels)
    places = []
    for y, *_ in labels:
        places.append(max(y, places[-1] + 17) if places else max(y, top))
    over = max(0.0, (places[-1] - bottom) if places else 0.0)
    parts = []
    for place, (_, (from_x, from_y), text, kind) in zip(places, labels):
        y = place - over
        parts.append(f'<line x1="{from_x + 6:.1f}" y1="{from_y:.1f}" x2="{x - 4}" y2="{y:.1f}" stroke="{_FAINT}"/>')
        parts.append(_text(x, y + 4, text, 12, colour=_COLOURS[kind] if kind != "limit" else "#57606a"))
    return parts


def _same_work(figure):
    """Returns the names of our figure and of the peers' figures for one workload."""
    return (f"tenon.{figure}", *(f"peer.{peer.name}.{figure}" for peer in catalogue.PEERS))


_BARS = (
    ("latency-sleeping", "A call of 64 bytes, both sides asleep",
     ("limit.futex_ping_pong.paused", *_same_work("call.64B.sleeping"))),
    ("latency-awake", "A call of 64 bytes, back to back",
     ("limit.spin_ping_pong", "limit.futex_ping_pong", "limit.eventfd_ping_pong", "limit.pipe_ping_pong",
      "limit.unix_socket_ping_pong", "limit.thread_pool.call", *_same_work("call.64B.awake"))),
    ("throughput-futures", "Calls a second, one submitter, a future each",
     ("limit.ring.64B", "limit.thread_pool.futures", *_same_work("futures.1"))),
    ("throughput-map", "Calls a second, map over tiny arguments", ("limit.ring.64B", *_same_work("map.tiny"))),
    ("throughput-pipeline", "Items a second through a pipeline whose stages do nothing",
     ("tenon.pipeline.1", "tenon.pipeline.5", "tenon.pipeline.20")),
    ("start", "Two workers, from start to the first result", ("limit.spawn.2", *_same_work("start.2"))),
)


def draw(report):
    """Returns {file name: text} of all charts that have data."""
    by_name = {figure["name"]: figure for figure in report["figures"]}
    machine = report["machine"]
    where = f"{machine.get('cpu', 'unknown')}, {machine.get('cores', '?')} cores; median"
    drawn = {}
    for file, title, names in _BARS:
        chosen = [by_name[name] for name in names if name in by_name and by_name[name]["p50"] > 0]
        if any(_kind(figure["name"]) == "tenon" for figure in chosen):
            subtitle = where if figures.is_rate(chosen[0]["unit"]) else f"{where}, with a line to p99"
            drawn[f"{file}.svg"] = bars(title, subtitle, chosen)
    sizes = _sizes(by_name)
    if sizes:
        drawn["sizes.svg"] = lines("Echo of an argument, by its size", where, *sizes)
    course = report.get("timelines", {}).get("tenon.swap")
    if course and course["at_s"]:
        drawn["swap.svg"] = timeline("Calls from four threads over time, without and with swaps of their plugin",
                                     where.replace("; median", ""), course)
    return drawn


def _sizes(by_name):
    def path(pattern):
        found = [(size, by_name.get(pattern.format(size))) for size in catalogue.SIZES]
        if pattern == "tenon.echo.{}.copied":
            found.insert(0, ("64B", by_name.get("tenon.call.64B.awake")))
        return [(size, figure["p50"]) for size, figure in found if figure]

    series = [(label, kind, dash, path(pattern)) for label, kind, dash, pattern in (
        ("one memcpy", "limit", "5 4", "limit.memcpy.{}"), ("tenon, copied in", "tenon", "5 4", "tenon.echo.{}.copied"),
        ("tenon, built in place", "tenon", "none", "tenon.echo.{}.in_place"))]
    series = [entry for entry in series if entry[3]]
    if not any(kind == "tenon" for _, kind, _, _ in series):
        return None
    points = [(peer.title.replace("Python ", ""), "peer", "256MiB", by_name[f"peer.{peer.name}.echo.256MiB"]["p50"])
              for peer in catalogue.PEERS if f"peer.{peer.name}.echo.256MiB" in by_name]
    return series, points
