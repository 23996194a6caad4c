#!/usr/bin/env python3
"""Runs each command of tenon with --json and checks its output against tools/tenon/json.schema.json.

usage: commands_test.py SOURCE_DIR BUILD_DIR
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from schema import Schema

SOURCE, BUILD = Path(), Path()
# Commands that print the same with --json: a requested text, or output for a terminal.
WITHOUT_DOCUMENT = {"completion", "dev", "help"}
PIPELINE = """[pipeline]
name = "{name}"
[sources.numbers]
task = "tenon.numbers"
args = {{ count = {count}, interval_ms = {interval_ms} }}
[sinks.total]
task = "tenon.sum"
inputs = ["numbers"]
"""
FAILING = """[pipeline]
name = "failing"
[sources.numbers]
task = "tenon.numbers"
args = { count = 1 }
[stages.empty]
task = "tenon.discard"
inputs = ["numbers"]
[sinks.bad]
task = "tenon.fail"
params = { mode = "exit", exit_code = 7 }
inputs = ["empty"]
"""


class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.schema = Schema.load(SOURCE / "tools/tenon/json.schema.json")
        cls.temporary = tempfile.TemporaryDirectory(prefix="tenon-json-")
        cls.directory = Path(cls.temporary.name)
        cls.environment = {name: value for name, value in os.environ.items() if not name.startswith("TENON_")}
        cls.environment["XDG_CACHE_HOME"] = str(cls.directory / "cache")
        cls.seen = {"completion", "dev", "help"}

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def file(self, name, text):
        file = self.directory / name
        file.write_text(text, encoding="utf-8")
        return str(file)

    def pipeline(self, name, count=5, interval_ms=0):
        return self.file(name + ".toml", PIPELINE.format(name=name, count=count, interval_ms=interval_ms))

    def run_tenon(self, *arguments):
        return subprocess.run([BUILD / "bin/tenon", *arguments, "--json"], env=self.environment, cwd=self.directory,
                              capture_output=True, text=True, timeout=120)

    def check(self, document, definition):
        problems = self.schema.problems(document, definition)
        self.assertEqual(problems, [], json.dumps(document, indent=2))

    def document(self, *arguments, exit_code=0):
        """Returns the document of a command, after checking it against its definition."""
        ended = self.run_tenon(*arguments)
        self.assertEqual(ended.returncode, exit_code, ended.stdout + ended.stderr)
        document = json.loads(ended.stdout)
        self.check(document, "command_" + arguments[0])
        type(self).seen.add(arguments[0])
        return document

    def failure(self, *arguments, exit_code=2):
        ended = self.run_tenon(*arguments)
        self.assertEqual(ended.returncode, exit_code, ended.stdout + ended.stderr)
        document = json.loads(ended.stdout)
        self.check(document, "failure")
        self.assertEqual(document["error"]["exit_code"], exit_code)
        return document

    def test_1_commands_without_a_daemon(self):
        plugins = self.document("list")["plugins"]
        self.assertIn("tenon", [plugin["name"] for plugin in plugins])
        broken = self.directory / "broken"
        broken.mkdir()
        (broken / "nothing.so").write_bytes(b"no plugin")
        plugins = self.document("list", "--plugin-dir", str(broken))["plugins"]
        self.assertIn("corrupt", [plugin["problem"]["code"] for plugin in plugins if not plugin["usable"]])
        self.assertIn("fresh/fresh.py", self.document("new", "plugin", "fresh", "--lang", "python")["files"])
        files = self.document("new", "pipeline", "todo")["files"]
        self.assertIn("todo/todo.toml", files)
        self.assertFalse(self.document("fmt", "--check", files[0])["files"][0]["changed"])
        untidy = self.directory / "untidy.toml"
        untidy.write_text("a=1")
        self.assertTrue(self.document("fmt", "--check", str(untidy), exit_code=1)["files"][0]["changed"])
        untidy.write_text("a=")
        self.assertTrue(self.document("fmt", str(untidy), exit_code=78)["files"][0]["diagnostics"])
        self.document("inspect", "tenon")
        self.assertEqual(self.document("inspect", "tenon.sum")["tasks"][0]["kind"], "reduce")
        first, second = (str(BUILD / f"tests/swap_plugins/{name}/probe.so") for name in ("probe_1", "probe_2"))
        self.assertTrue(self.document("conform", first, second)["conforms"])
        breaks = self.document("conform", second, first, exit_code=1)["breaks"]
        self.assertTrue(breaks)
        self.assertEqual(self.document("call", "tenon.numbers", '{"count": 3}', "--out", "numbers")["out"], "numbers")
        result = json.loads(self.run_tenon("call", "tenon.sum", '{"value": 3}', '{"value": 4}').stdout)
        self.assertEqual(result["value"], 7)

    def test_2_pipelines(self):
        good = self.pipeline("good")
        self.document("graph", good)
        files = self.document("check", good, self.file("bad.toml", "[pipeline]\nnane = 3\n"), exit_code=78)["files"]
        self.assertEqual([file["ok"] for file in files], [True, False])
        files = self.document("check", good, "nowhere.toml", exit_code=2)["files"]
        self.assertEqual(files[1]["error"]["code"], "invalid_argument")
        tests = ('[[tests]]\nname = "right"\ngive.numbers = [{ value = 2 }, { value = 3 }]\nexpect.total = [{ value = 5 }]\n'
                 '[[tests]]\nname = "wrong"\ngive.numbers = []\nexpect.total = [{ value = 5 }]\n')
        tested = self.file("tested.toml", PIPELINE.format(name="tested", count=1, interval_ms=0) + tests)
        results = self.document("test", tested, exit_code=1)
        self.assertEqual([test["ok"] for test in results["files"][0]["tests"]], [True, False])
        self.assertTrue(results["files"][0]["tests"][1]["problems"][0]["details"])
        self.document("test", tested, self.file("wrong.toml", "[pipeline]\nnane = 3\n"), exit_code=78)
        report = self.document("run", good)
        self.assertEqual([stage["items_out"] for stage in report["stages"]][:1], [5])
        self.assertEqual(report["outputs"][0]["value"]["value"], 10)
        failed = self.document("run", self.file("failing.toml", FAILING), exit_code=1)
        self.assertEqual(failed["failures"][0]["error"]["worker_exit_code"], 7)

    def test_3_failures(self):
        self.failure("call", "tenon.sums", "{}")
        self.assertIn("excerpt", self.failure("call", "tenon.sleep", '{"duration": 1}')["error"])
        error = self.failure("call", "tenon.fail", "{}", "--params", '{"mode": "exit", "exit_code": 7}', exit_code=1)
        self.assertEqual((error["error"]["code"], error["error"]["worker_exit_code"]), ("crashed", 7))
        self.assertIn("diagnostics", self.failure("run", self.file("bad.toml", "[pipeline]\nnane = 3\n"), exit_code=78))
        self.failure("status", "--socket", "nowhere", exit_code=self.run_tenon("status", "--socket", "nowhere").returncode)
        self.failure("lst")

    def test_4_a_daemon(self):
        plugins = self.directory / "plugins"
        plugins.mkdir()
        self.probe(plugins, "probe_1")
        socket = ("--socket", str(self.directory / "socket"))
        log = open(self.directory / "log", "w+", encoding="utf-8")
        self.addCleanup(log.close)
        daemon = subprocess.Popen(
            [BUILD / "bin/tenon", "serve", self.pipeline("slow", 1_000_000, 10), *socket, "--workers", "2", "--plugin-dir",
             plugins, "--no-watch", "--verbose", "--json"], env=self.environment, cwd=self.directory, stdout=log, stderr=log)
        try:
            self.use(socket, plugins)
            self.assertEqual(daemon.wait(timeout=60), 0)
        finally:
            daemon.kill()
            daemon.wait()
        log.seek(0)
        lines = log.read().splitlines()
        self.assertTrue(lines)
        for line in lines:
            self.check(json.loads(line), "command_serve")
        type(self).seen.add("serve")

    def probe(self, directory, variant):
        shutil.copy(BUILD / f"tests/swap_plugins/{variant}/probe.so", directory / "probe.so.new")
        os.replace(directory / "probe.so.new", directory / "probe.so")

    def use(self, socket, plugins):
        """Uses each command on a daemon that runs one pipeline and serves one additional plugin."""
        self.document("status", "--wait", "60s", *socket)
        deadline = time.monotonic() + 60
        while True:
            status = self.document("status", *socket)
            stages = [stage for pipeline in status["pipelines"] for stage in pipeline["stages"]]
            if stages and stages[0]["items_out"] > 0 and status["workers"]:
                break
            self.assertLess(time.monotonic(), deadline)
        self.assertEqual(self.document("pause", *socket)["pipelines"][0]["name"], "slow")
        self.document("resume", "slow", *socket)
        self.assertFalse(self.document("swap", "probe", *socket)["swapped"])
        self.probe(plugins, "probe_2")
        self.assertTrue(self.document("swap", "probe", *socket)["swapped"])
        refused = self.run_tenon("swap", str(BUILD / "tests/swap_plugins/crash_init/probe.so"), *socket)
        self.assertNotEqual(refused.returncode, 0)
        self.check(json.loads(refused.stdout), "failure")
        self.assertEqual(self.document("rollback", "probe", "--reason", "too new", *socket)["now"]["version"], "1.0.0")
        kinds = {one["kind"] for one in self.document("quarantine", "list", *socket)["quarantine"]}
        self.assertEqual(kinds, {"quarantine", "rolled_back"})
        self.document("quarantine", "show", "probe", *socket)
        self.document("quarantine", "lift", "probe", *socket)
        self.assertEqual(self.document("quarantine", "list", *socket)["quarantine"], [])
        states = {one["state"] for one in self.document("generations", *socket)["generations"]}
        self.assertLessEqual({"current", "refused"}, states)
        events = self.run_tenon("events", *socket).stdout.splitlines()
        self.assertIn("switched", [json.loads(line)["kind"] for line in events])
        for line in events:
            self.check(json.loads(line), "command_events")
        type(self).seen.add("events")
        self.assertEqual(self.document("drain", "slow", *socket)["pipelines"][0]["state"], "interrupted")
        self.document("stop", *socket)

    def test_5_no_command_was_left_out(self):
        text = subprocess.run([BUILD / "bin/tenon", "--help"], env=self.environment, capture_output=True, text=True,
                              check=True).stdout
        commands = set(re.findall(r"^  ([a-z]+)  +\S", text, re.MULTILINE))
        self.assertIn("status", commands)
        self.assertEqual(commands - self.seen, set())
        described = {name.removeprefix("command_") for name in self.schema.definitions if name.startswith("command_")}
        self.assertEqual(described, commands - WITHOUT_DOCUMENT)


if __name__ == "__main__":
    SOURCE, BUILD = (Path(argument).resolve() for argument in sys.argv[1:3])
    unittest.main(argv=sys.argv[:1])
