"""Trials of plugins in Python: a canary and a shadow refuse a bad version, which is then in quarantine; pins hold."""

from __future__ import annotations

import threading
import unittest
from pathlib import Path

from packing import PackingTest

import tenon
from tenon.pack import pack

LONG = 100.0
SQUARE = """
    __version__ = "{version}"
    import os
    import tenon

    @tenon.task(idempotent=True)
    def square(number: int) -> int:
        return {body}
"""


class Trials(PackingTest):
    def setUp(self) -> None:
        super().setUp()
        self.good = self.made("1.0.0", "number * number")
        self.rt = tenon.Runtime(workers=2, plugin_dirs=[self.good.parent], log=False, cancel_grace=0.2,
                                hot_swap=tenon.HotSwap(store_dir=self.directory / "store"))
        self.addCleanup(self.rt.close, "kill")
        self.wrong: list[object] = []
        self.right = 0
        self.ended = threading.Event()

    def made(self, version: str, body: str) -> Path:
        """A version of the plugin, packed into a directory of its own."""
        source = self.write(f"{version}/square.py", SQUARE.format(version=version, body=body))
        return pack(source, source.parent)

    def call(self) -> None:
        number = 0
        while not self.ended.is_set():
            number += 1
            try:
                value = self.rt.call("square.square", number=number, retries=100, timeout=LONG).value
            except tenon.Error as error:
                value = error
            if value == number * number:
                self.right += 1
            else:
                self.wrong.append((number, value))

    def refused(self, version: str, body: str, options: tenon.SwapOptions, words: str) -> None:
        """Swaps to a bad version while there are calls. All of them get right results."""
        bad = self.made(version, body)
        self.rt.call("square.square", number=1)  # Not while the plugin is loaded for the first time.
        caller = threading.Thread(target=self.call)
        caller.start()
        try:
            with self.assertRaisesRegex(tenon.Rejected, words):
                self.rt.swap(bad, options)
            with self.assertRaisesRegex(tenon.Rejected, "quarantine"):
                self.rt.swap(bad, options)
        finally:
            self.ended.set()
            caller.join(LONG)
        self.assertFalse(caller.is_alive())
        self.assertEqual(self.wrong, [])
        self.assertGreater(self.right, 0)
        current = [one for one in self.rt.generations() if one.state == "current"]
        self.assertEqual([one.version for one in current], ["1.0.0"])

    def test_a_canary_that_raises_is_refused(self) -> None:
        self.refused("2.0.0", "1 // 0", tenon.SwapOptions(canary_share=0.5, canary_calls=50), "calls failed")

    def test_a_canary_that_ends_its_worker_is_refused(self) -> None:
        self.refused("2.1.0", "os.abort()", tenon.SwapOptions(canary_share=0.5, canary_calls=50), "crash")

    def test_wrong_results_are_found_by_a_shadow(self) -> None:
        self.refused("2.2.0", "number + number", tenon.SwapOptions(shadow=True, canary_calls=50), "value")

    def test_a_canary_that_works_becomes_current(self) -> None:
        good = self.made("1.1.0", "number ** 2")
        caller = threading.Thread(target=self.call)
        caller.start()
        try:
            self.assertEqual(self.rt.swap(good, tenon.SwapOptions(canary_share=0.5, canary_calls=50)).now.version,
                             "1.1.0")
        finally:
            self.ended.set()
            caller.join(LONG)
        self.assertEqual(self.wrong, [])
        self.assertEqual(self.rt.call("square.square", number=7).value, 49)

    def test_a_pin_refuses_another_version(self) -> None:
        file = self.write("pinned.toml", """
            [pipeline]
            name = "pinned"

            [plugins.doubling]
            version = ">=1.0, <2"

            [sources.numbers]
            task = "tenon.numbers"
            args = { count = 3 }

            [stages.doubled]
            task = "doubling.double"
            inputs = ["numbers"]

            [sinks.end]
            task = "tenon.discard"
            inputs = ["doubled"]
        """)
        for version, errors in (("1.5.0", []), ("2.0.0", ["'doubling' is version 2.0.0; the pin asks for >=1.0, <2"])):
            with self.subTest(version):
                source = self.write("plugins/doubling.py", f"""
                    __version__ = "{version}"
                    import tenon

                    @tenon.task
                    def double(number: tenon.Number) -> tenon.Number:
                        return tenon.Number(2 * number.value)
                """)
                said = tenon.check_pipeline(file, plugin_dirs=[source.parent, *tenon.bundled_plugin_dirs()])
                found = [str(one) for one in said]
                self.assertEqual(len(found), len(errors), found)
                for words, one in zip(errors, found):
                    self.assertIn(words, one)


if __name__ == "__main__":
    unittest.main()
