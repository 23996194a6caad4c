#!/usr/bin/env python3
"""Tests tests/bench/run with canned figures; it measures nothing."""

import contextlib
import importlib.machinery
import importlib.util
import io
import json
import os
import re
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
loader = importlib.machinery.SourceFileLoader("bench_run", str(HERE / "run"))
run = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench_run", loader))
loader.exec_module(run)
from lib import catalogue, charts, figures, measuring, places, table  # noqa: E402: run sets the import path


def canned_samples():
    samples = figures.Samples()
    for name, unit, values, scale in (
            ("limit.futex_ping_pong.paused", "us", [10.0] * 100, 1),
            ("limit.spin_ping_pong", "us", [0.1] * 100, 1),
            ("limit.ring.64B", "calls/s", [20e6], 1),
            ("tenon.call.64B.sleeping", "us", [12.0] * 990 + [50.0] * 10, 1),
            ("tenon.call.64B.awake", "us", [0.5] * 100, 1),
            ("tenon.futures.1", "calls/s", [1e6, 3e6, 2e6], 1),
            ("tenon.queue.1k", "us", [0.5, 0.5], 1),
            ("tenon.queue.10M", "us", [0.6], 0.05),
            ("tenon.pipeline.1", "items/s", [1e6], 1), ("tenon.pipeline.5", "items/s", [200e3], 1),
            ("tenon.pipeline.1", "items/s", [1e6], 1), ("tenon.pipeline.5", "items/s", [250e3], 1),
            ("tenon.workers.256.failures", "calls", [0.0], 1),
            ("peer.mp_pool.call.64B.sleeping", "us", [240.0], 1),
            ("peer.nats.call.64B.sleeping", "us", [360.0], 1),
            ("peer.mp_pool.futures.1", "calls/s", [20e3], 1)):
        samples.add(name, unit, values, scale)
    return samples


def canned_report():
    return {"machine": {"cpu": "a & b", "cores": 2, "load_average": [0.1, 0.2]},
            "figures": figures.make_figures(canned_samples()),
            "timelines": {"tenon.swap": {"unit": "us", "at_s": [0.005, 0.015, 1.005], "median": [20, 30, 25],
                                         "worst": [900, 4000, 1000], "event_begin_s": [0.01], "event_end_s": [0.05]}},
            "absent": {"dask": "distributed is not installed"}, "failed": {}}


class Figures(unittest.TestCase):
    def setUp(self):
        self.figures = {figure["name"]: figure for figure in figures.make_figures(canned_samples())}

    def test_a_cost_is_held_against_limit_and_best_peer(self):
        figure = self.figures["tenon.call.64B.sleeping"]
        self.assertEqual((figure["p50"], figure["p99"], figure["p999"]), (12.0, 12.0, 50.0))
        self.assertEqual((figure["limit"], figure["limit_name"]), (10.0, "limit.futex_ping_pong.paused"))
        self.assertAlmostEqual(figure["limit_ratio"], 1.2)
        self.assertEqual((figure["best_peer"], figure["best_peer_name"]), (240.0, "peer.mp_pool.call.64B.sleeping"))
        self.assertAlmostEqual(figure["best_peer_ratio"], 20.0)

    def test_of_a_rate_more_is_better(self):
        figure = self.figures["tenon.futures.1"]
        self.assertEqual((figure["p50"], figure["p99"], figure["rounds"]), (2e6, 1e6, [2e6]))
        self.assertAlmostEqual(figure["limit_ratio"], 10.0)
        self.assertAlmostEqual(figure["best_peer_ratio"], 100.0)

    def test_rounds_count_alike(self):
        samples = figures.Samples()
        samples.add("tenon.nested", "us", [1.0] * 1000)
        samples.add("tenon.nested", "us", [5.0] * 10)
        samples.add("tenon.nested", "us", [6.0] * 10)
        figure = figures.make_figures(samples)[0]
        self.assertEqual((figure["p50"], figure["p99"], figure["rounds"]), (5.0, 6.0, [1.0, 5.0, 6.0]))

    def test_what_has_no_peer_says_so(self):
        figure = self.figures["tenon.call.64B.awake"]
        self.assertIsNone(figure["best_peer"])
        self.assertIsNone(figure["best_peer_name"])

    def test_a_part_of_the_size_is_kept(self):
        self.assertEqual(self.figures["tenon.queue.10M"]["scale"], 0.05)
        self.assertAlmostEqual(self.figures["tenon.queue.10M"]["limit_ratio"], 1.2)

    def test_a_stage_more_is_the_difference_of_pipelines(self):
        # 5 - 1 us and 4 - 1 us for four more stages; of two samples, the median is the smaller one.
        self.assertAlmostEqual(self.figures["tenon.pipeline.stage.2_to_5"]["p50"], 0.75)

    def test_units_that_disagree_are_refused(self):
        samples = canned_samples()
        with self.assertRaisesRegex(ValueError, "tenon.queue.1k came in us and in B"):
            samples.add("tenon.queue.1k", "B", [1.0])

    def test_only_keeps_what_a_figure_is_held_against(self):
        kept = figures.matching(list(self.figures.values()), re.compile("^tenon.futures"))
        self.assertEqual([figure["name"] for figure in kept],
                         ["limit.ring.64B", "tenon.futures.1", "peer.mp_pool.futures.1"])


class Choice(unittest.TestCase):
    def names(self, pattern, with_peers=True):
        steps, peers = measuring.choose(re.compile(pattern), with_peers)
        return [step.name for step in steps], [peer.name for peer in peers]

    def test_a_figure_brings_its_limit_and_its_peers(self):
        steps, peers = self.names(r"^tenon\.map\.tiny$")
        self.assertEqual(steps, ["ring", "map"])
        self.assertEqual(len(peers), len(catalogue.PEERS))

    def test_a_limit_comes_alone(self):
        self.assertEqual(self.names(r"ping_pong\.paused\.one_core"), (["futex"], []))

    def test_limits_of_limits_come_too(self):
        self.assertEqual(self.names(r"echo\.1MiB\.in_place$"), (["spin", "awake_calls", "echo"], []))

    def test_without_peers_there_are_none(self):
        self.assertEqual(self.names("call.64B.awake", with_peers=False)[1], [])

    def test_each_of_our_figures_comes_from_one_step(self):
        for name in catalogue.TARGETS:
            givers = [step.name for step in catalogue.STEPS if step.gives({name})]
            self.assertEqual(len(givers), 1, name)


class Programs(unittest.TestCase):
    def test_an_error_is_the_last_line(self):
        lines, wrong = measuring.run_program(["sh", "-c", "echo '{\"a\": 1}'; echo why >&2; exit 3"], 20)
        self.assertEqual((lines, wrong), (['{"a": 1}'], "why (exit code 3)"))

    def test_a_timeline_is_no_figure(self):
        measurement = measuring.Measurement((), (), quick=True)
        self.assertIsNone(measurement._take(['{"timeline": "tenon.swap", "unit": "us", "at_s": [1]}'], ""))
        self.assertEqual(measurement.timelines, {"tenon.swap": {"unit": "us", "at_s": [1]}})
        self.assertEqual(measurement.samples.series, {})

    def test_what_takes_too_long_ends_with_all_its_children(self):
        begin = time.monotonic()
        lines, wrong = measuring.run_program(["sh", "-c", "echo '{}'; sleep 60 & echo $!; wait"], 0.2)
        self.assertLess(time.monotonic() - begin, 30)
        self.assertEqual((lines, wrong), (["{}"], "took longer than 0.2 s"))

    def test_a_peer_that_is_not_installed_is_absent(self):
        peer = catalogue.Peer("ghost", "Ghost", "bench_peer_ghost", "ghostd")
        measurement = measuring.Measurement((), (peer,), quick=True)
        measurement.run(1, say=lambda text: None)
        self.assertIn("installs ghostd", measurement.absent["ghost"])
        self.assertEqual((measurement.failed, measurement.samples.series), ({}, {}))

    def test_a_peer_that_fails_is_no_end(self):
        with tempfile.TemporaryDirectory() as directory:
            program = Path(directory) / "peer"
            program.write_text("#!/bin/sh\n"
                               "echo '{\"name\": \"start.2\", \"unit\": \"us\", \"samples\": [7]}'\necho broken >&2\nexit 1\n")
            program.chmod(0o755)
            peer = catalogue.Peer("ghost", "Ghost", str(program), "ghostd")
            measurement = measuring.Measurement((), (peer,), quick=True)
            measurement.run(1, say=lambda text: None)
        self.assertEqual(measurement.failed, {"peer ghost": "broken (exit code 1)"})
        self.assertEqual(measurement.samples.series["peer.ghost.start.2"].rounds, [[7]])


class Report(unittest.TestCase):
    def run_main(self, *arguments):
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            try:
                code = run.main([str(argument) for argument in arguments])
            except SystemExit as end:
                code = end.code
        return code, output.getvalue(), errors.getvalue()

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.file = self.directory / "canned.json"
        self.file.write_text(json.dumps(canned_report()))

    def test_the_table(self):
        code, output, _ = self.run_main("--report", self.file)
        self.assertEqual(code, 0)
        row = next(line for line in output.splitlines() if line.startswith("tenon.call.64B.sleeping"))
        self.assertEqual(row.split(), "tenon.call.64B.sleeping 12.0 us 12.0 us 50.0 us 10.0 us 1.20 240 us mp_pool 20.0 "
                         "1000".split())
        self.assertIn("0.05 of the size", output)
        self.assertIn("absent: dask: distributed is not installed", output)

    def test_each_system_stands_beside_ours(self):
        _, output, _ = self.run_main("--report", self.file)
        row = [line for line in output.splitlines() if line.startswith("tenon.call.64B.sleeping")][1]
        self.assertEqual(row.split(), "tenon.call.64B.sleeping 12.0 us 240 us (20.0) 360 us (30.0)".split())

    def test_a_table_of_markdown(self):
        code, output, _ = self.run_main("--report", self.file, "--markdown")
        self.assertEqual(code, 0)
        self.assertIn("| `tenon.futures.1` | 2.00 M calls/s | 1.00 M calls/s | 20.0 M calls/s | 10.0 | "
                      "20.0 k calls/s, Python multiprocessing.Pool | 100 |", output)
        self.assertEqual({line.count("|") for line in output.splitlines()}, {8})

    def test_json_goes_round(self):
        again = self.directory / "again.json"
        self.assertEqual(self.run_main("--report", self.file, "--json", again)[0], 0)
        self.assertEqual(json.loads(again.read_text()), canned_report())

    def test_charts_are_sound(self):
        code, _, _ = self.run_main("--report", self.file, "--svg", self.directory / "svg")
        self.assertEqual(code, 0)
        drawn = {path.name: path.read_text() for path in (self.directory / "svg").iterdir()}
        self.assertIn("latency-sleeping.svg", drawn)
        self.assertNotIn("start.svg", drawn)  # Nothing in it was measured.
        for text in drawn.values():
            xml.etree.ElementTree.fromstring(text)
        self.assertIn("12.0 us", drawn["latency-sleeping.svg"])
        self.assertIn("NATS", drawn["latency-sleeping.svg"])
        self.assertIn("a swap is under way", drawn["swap.svg"])
        self.assertEqual(drawn["swap.svg"].count("polyline"), 2)

    def test_a_failed_step_is_told(self):
        report = canned_report()
        report["failed"] = {"tenon queue": "no memory"}
        self.file.write_text(json.dumps(report))
        code, output, _ = self.run_main("--report", self.file)
        self.assertEqual(code, 1)
        self.assertIn("failed: tenon queue: no memory", output)

    def test_bad_options_are_refused_before_anything_runs(self):
        (self.directory / "other.json").write_text("[1]")
        for arguments, message in (
                (["--fast"], "unrecognized arguments: --fast"),
                (["--only", "("], "is not a regular expression"),
                (["--only", "nonsense"], "no figure matches --only 'nonsense'"),
                (["--rounds", "0"], "--rounds takes a number of at least 1"),
                (["--messages", "5"], "--messages needs --stress"),
                (["--stress", "--messages", "many"], "invalid int value"),
                (["--json", self.directory / "no" / "such.json"], "does not exist"),
                (["--json", self.directory], "is a directory"),
                (["--svg", self.file], "--svg"),
                (["--report", self.directory / "none.json"], "No such file"),
                (["--report", self.directory / "other.json"], "is not a file that --json wrote")):
            with self.subTest(arguments=arguments):
                code, output, errors = self.run_main(*arguments)
                self.assertEqual((code, output), (2, ""))
                self.assertIn(message, errors)


class Text(unittest.TestCase):
    def test_values_are_scaled_to_their_size(self):
        for value, unit, text in ((0.0421, "us", "42.1 ns"), (9.996, "us", "10.0 us"), (12_345, "us", "12.3 ms"),
                                  (0, "calls", "0 calls"), (1 << 20, "B", "1.00 MiB"), (5.3e6, "calls/s", "5.30 M calls/s"),
                                  (0, "1/s", "0 per s")):
            self.assertEqual(table.text_of(value, unit), text)

    def test_labels_of_points_do_not_lie_over_each_other(self):
        text = charts.lines("t", "s", [("a", "tenon", "none", [("64B", 1.0), ("256MiB", 1.0)])],
                            [(name, "peer", "256MiB", 1.01) for name in "bcd"])
        places_y = sorted(float(y) for y in re.findall(r'<text x="666.0" y="([\d.]+)"', text))
        self.assertEqual(len(places_y), 4)
        self.assertTrue(all(b - a >= 16.9 for a, b in zip(places_y, places_y[1:])))


class Entry(unittest.TestCase):
    def test_every_program_of_a_peer_is_there(self):
        for peer in catalogue.PEERS:
            if peer.program.endswith(".py"):
                self.assertTrue((places.BENCH_DIR / "peers" / peer.program).exists(), peer.program)

    def test_it_can_be_run(self):
        self.assertTrue(os.access(HERE / "run", os.X_OK))


if __name__ == "__main__":
    unittest.main()
