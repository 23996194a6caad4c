"""tenon.Executor: workers, from their start to the end of the executor."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import logging
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest
import weakref
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import executor_tasks as tasks
import tenon
from support import LONG, run_script

HERE = Path(__file__).parent


def script(text: str, *, timeout: float = LONG) -> subprocess.CompletedProcess[str]:
    """Runs a separate program, which can import executor_tasks."""
    head = f"import sys\nsys.path.append({str(HERE)!r})\nimport tenon, executor_tasks as tasks\n"
    return run_script("-c", head + textwrap.dedent(text), timeout=timeout)


def workers_of(pid: int) -> list[str]:
    """The descendants of a process that are workers."""
    found = subprocess.run(["ps", "--ppid", str(pid), "-o", "comm="], capture_output=True, text=True, check=False)
    return [line for line in found.stdout.split() if line.startswith("tenon-worker")]


class Workers(unittest.TestCase):
    def test_initializer(self) -> None:
        with tenon.Executor(2, initializer=tasks.prepare, initargs=("key", [1, {"a": 2.5}])) as executor:
            for _ in range(20):
                self.assertEqual(executor.submit(tasks.state, "key").result(LONG), [1, {"a": 2.5}])

    def test_initializer_that_fails(self) -> None:
        with tenon.Executor(2, initializer=tasks.broken_initializer) as executor:
            for _ in range(3):
                with self.assertRaises(BrokenProcessPool) as caught:
                    executor.submit(tasks.same, 1).result(LONG)
                self.assertIn("the model is missing", str(caught.exception))
                self.assertIn("broken_initializer", str(caught.exception))

    def test_initializer_that_ends_its_worker(self) -> None:
        for end in ("os:_exit", "os:abort"):
            with self.subTest(end), self.assertLogs("concurrent.futures", logging.CRITICAL), \
                    tenon.Executor(1, initializer=end, initargs=(3,) if end == "os:_exit" else ()) as executor:
                with self.assertRaises(BrokenProcessPool):
                    executor.submit(pow, 2, 3).result(LONG)
                with self.assertRaisesRegex(tenon.InitializerFailed, "the initializer ended its worker"):
                    executor.submit(pow, 2, 3)

    def test_a_task_that_ends_its_worker_breaks_nothing(self) -> None:
        with tenon.Executor(1, initializer=tasks.prepare, initargs=("key", 1)) as executor:
            with self.assertRaises(tenon.WorkerCrashed):
                executor.submit("os:_exit", 3).result(LONG)
            self.assertEqual(executor.submit(tasks.state, "key").result(LONG), 1)

    def test_lines_of_messages(self) -> None:
        with self.assertLogs("concurrent.futures", logging.CRITICAL), \
                tenon.Executor(1, initializer=int, initargs=("x",)) as executor:
            with self.assertRaisesRegex(tenon.InitializerFailed, "failed:\nValueError: invalid literal"):
                executor.submit(pow, 2, 3).result(LONG)
        done = script("""
            import logging
            logging.basicConfig(format='%(message)s')
            with tenon.Executor(1) as executor:
                executor.submit(print, 'one\\ttwo').result()
                executor.submit('logging:warning', 'three\\nfour').result()
        """)
        self.assertIn("one\ttwo\n", done.stdout)
        self.assertIn("three\nfour\n", done.stderr)

    def test_initializer_without_a_name(self) -> None:
        with self.assertRaisesRegex(TypeError, "bound"):
            tenon.Executor(1, initializer=tasks.Tools().method)
        with self.assertRaises(TypeError):
            tenon.Executor(1, initializer=3)  # type: ignore[arg-type]

    def test_preload_and_path(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            Path(directory, "only_here.py").write_text("VALUE = 5\ndef value(): return VALUE\n")
            with tenon.Executor(1, path=[directory], preload=["only_here"]) as executor:
                self.assertEqual(executor.submit("only_here:value").result(LONG), 5)

    def test_environment_and_index_of_each_worker(self) -> None:
        with tenon.Executor(2, env_per_worker=lambda i: {"DEVICE": f"gpu{i}"}) as executor:
            futures = [executor.options(affinity=str(i)).submit(tasks.variable, "DEVICE") for i in range(50)]
            self.assertLessEqual({future.result(LONG) for future in futures}, {"gpu0", "gpu1"})
            index = executor.submit(tasks.variable, "TENON_WORKER_INDEX").result(LONG)
            self.assertIn(index, ("0", "1"))
        with self.assertRaises((TypeError, ValueError)):
            tenon.Executor(1, env_per_worker=lambda i: [i])  # type: ignore[arg-type,return-value]

    def test_max_tasks_per_worker(self) -> None:
        with tenon.Executor(1, max_tasks_per_worker=3) as executor:
            pids = [executor.submit(tasks.pid).result(LONG) for _ in range(12)]
        self.assertGreaterEqual(len(set(pids)), 3)
        self.assertTrue(all(pids.count(pid) <= 3 for pid in set(pids)))
        # The pool of Python 3.11 itself hangs here: cpython#115634.
        with tenon.Executor(2, max_tasks_per_worker=2) as executor:
            futures = [executor.submit(tasks.add, i) for i in range(60)]
            self.assertEqual([future.result(LONG) for future in futures], list(range(60)))
        for wrong in (0, -1, "x"):
            with self.subTest(wrong=wrong), self.assertRaises((TypeError, ValueError)):
                tenon.Executor(1, max_tasks_per_worker=wrong)  # type: ignore[arg-type]

    def test_max_memory_per_worker(self) -> None:
        with tenon.Executor(1, max_memory_per_worker="64 MiB") as executor:
            first = executor.submit(tasks.grow, 100 << 20).result(LONG)
            deadline = time.monotonic() + LONG
            while executor.submit(tasks.pid).result(LONG) == first and time.monotonic() < deadline:
                time.sleep(0.05)
            self.assertNotEqual(executor.submit(tasks.pid).result(LONG), first)

    def test_wrong_number_of_workers(self) -> None:
        for wrong in (0, -1):
            with self.subTest(wrong=wrong), self.assertRaisesRegex(ValueError, "greater than 0"):
                tenon.Executor(wrong)
        with self.assertRaises(TypeError):
            tenon.Executor("2")  # type: ignore[arg-type]

    def test_children_of_children(self) -> None:
        with tenon.Executor(1) as executor:
            self.assertEqual(executor.submit(tasks.nested, [1, 2, 3]).result(LONG), [2, 4, 6])
            # A worker is not a daemon either: multiprocessing may start children there.
            self.assertEqual(executor.submit(tasks.nested_multiprocessing, [-1, 2]).result(LONG), [1, 2])

    def test_print_and_logging_come_to_the_host(self) -> None:
        done = script("""
            import logging
            logging.basicConfig(format='%(name)s %(levelname)s %(message)s')
            with tenon.Executor(1) as ex:
                ex.submit(tasks.say, 'from a task').result()
                ex.submit(tasks.log, 'logged').result()
            """)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("from a task", done.stdout + done.stderr)
        self.assertIn("logged", done.stderr)


class SharedRuntime(unittest.TestCase):
    def test_a_runtime_of_someone_else(self) -> None:
        with tenon.Runtime(workers=1, settings={"py": {"path": [str(HERE)]}}) as runtime:
            with tenon.Executor(runtime=runtime) as executor:
                future = executor.submit(tasks.sleep, 0.1, 5)
                self.assertEqual(list(executor.map(tasks.add, range(10))), list(range(10)))
            self.assertTrue(future.done())
            with self.assertRaises(RuntimeError):
                executor.submit(tasks.add, 1)
            self.assertFalse(runtime.closed)
            with self.assertRaisesRegex(ValueError, "initializer"):
                tenon.Executor(runtime=runtime, initializer=tasks.pid)


class Shutdown(unittest.TestCase):
    def test_waits_for_all(self) -> None:
        executor = tenon.Executor(2)
        futures = [executor.submit(tasks.sleep, 0.02, i) for i in range(20)]
        executor.shutdown()
        self.assertTrue(all(future.done() for future in futures))
        self.assertEqual([future.result() for future in futures], list(range(20)))
        with self.assertRaisesRegex(RuntimeError, "cannot schedule new futures after shutdown"):
            executor.submit(tasks.add, 1)
        with self.assertRaises(RuntimeError):
            executor.map(tasks.add, [1])
        executor.shutdown()
        executor.shutdown(wait=False, cancel_futures=True)

    def test_without_waiting(self) -> None:
        executor = tenon.Executor(1)
        executor.submit(tasks.add, 1).result(LONG)
        future = executor.submit(tasks.sleep, 0.5, "ran")
        begin = time.monotonic()
        executor.shutdown(wait=False)
        self.assertLess(time.monotonic() - begin, 0.5)
        self.assertEqual(future.result(LONG), "ran")
        executor.shutdown()

    def test_cancel_futures(self) -> None:
        executor = tenon.Executor(1)
        running = executor.submit(tasks.sleep, 0.4, "ran")
        while not running.running():
            time.sleep(0.01)
        queued = [executor.submit(tasks.sleep, 5) for _ in range(10)]
        executor.shutdown(cancel_futures=True)
        self.assertEqual(running.result(0), "ran")
        self.assertTrue(all(future.cancelled() for future in queued))

    def test_kill_workers(self) -> None:
        for stop in ("kill_workers", "terminate_workers"):
            with self.subTest(stop=stop):
                executor = tenon.Executor(1)
                running = executor.submit(tasks.sleep, LONG)
                while not running.running():
                    time.sleep(0.01)
                queued = executor.submit(tasks.sleep, LONG)
                begin = time.monotonic()
                getattr(executor, stop)()
                self.assertLess(time.monotonic() - begin, LONG / 2)
                with self.assertRaises(BrokenProcessPool):
                    running.result(LONG)
                self.assertTrue(queued.cancelled())
                with self.assertRaises(RuntimeError):
                    executor.submit(tasks.add, 1)

    def test_dropped_without_shutdown(self) -> None:
        executor = tenon.Executor(1)
        gone = weakref.ref(executor)
        future = executor.submit(tasks.sleep, 0.3, 7)
        results = executor.map(tasks.add, range(50))
        del executor
        gc.collect()
        self.assertIsNone(gone())
        self.assertEqual(future.result(LONG), 7)
        self.assertEqual(list(results), list(range(50)))
        deadline = time.monotonic() + LONG
        while any(thread.name == "tenon-shutdown" for thread in threading.enumerate()):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    def test_exit_of_the_interpreter_finishes_what_was_submitted(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            done = script(f"""
                ex = tenon.Executor(1)
                ex.submit(tasks.sleep, 0.3)
                ex.submit(tasks.mark, {directory!r}, 'last')
                """)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(os.listdir(directory), ["last"])

    def test_submit_at_exit(self) -> None:
        done = script("""
            import atexit
            ex = tenon.Executor(1)
            atexit.register(lambda: ex.submit(tasks.add, 1))
            ex.submit(tasks.add, 1).result()
            """)
        self.assertIn("RuntimeError: cannot schedule new futures", done.stderr)


class Interrupts(unittest.TestCase):
    def test_ctrl_c_ends_a_wait_at_once(self) -> None:
        done = script("""
            import os, signal, threading, time
            ex = tenon.Executor(1)
            ex.submit(tasks.add, 1).result()
            future = ex.submit(tasks.sleep, 30)
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
            begin = time.monotonic()
            try:
                future.result()
            except KeyboardInterrupt:
                print('interrupted', time.monotonic() - begin < 5)
            ex.kill_workers()
            """)
        self.assertEqual(done.stdout.strip(), "interrupted True", done.stderr)

    def test_ctrl_c_while_a_result_is_made_is_not_the_result(self) -> None:
        done = script("""
            with tenon.Executor(1) as executor:
                for wait in (lambda f: f.result(), lambda f: f.exception(),
                             lambda f: __import__('concurrent.futures').futures.wait([f])):
                    tasks.Interrupting.made = 0
                    future = executor.submit(tasks.interrupting)
                    while not future.done():
                        pass
                    try:
                        wait(future)
                    except KeyboardInterrupt:
                        print('interrupted', end=' ')
                    print(type(future.result()).__name__)
                future = executor.submit(tasks.interrupt)
                print(repr(future.exception()))
        """)
        self.assertEqual(done.stdout, "interrupted int\n" * 3 + "KeyboardInterrupt('in the task')\n", done.stderr)

    def test_ctrl_c_ends_call_and_its_task(self) -> None:
        done = script("""
            import os, signal, threading
            ex = tenon.Executor(1)
            ex.submit(tasks.add, 1).result()
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
            try:
                ex.call(tasks.sleep, 30)
            except KeyboardInterrupt:
                print(ex.submit(tasks.add, 1, 2).result(20))
            ex.shutdown()
            """)
        self.assertEqual(done.stdout.strip(), "3", done.stderr)


class Forks(unittest.TestCase):
    def test_in_a_child_the_executor_is_dead(self) -> None:
        done = script("""
            import os
            ex = tenon.Executor(1)
            print(ex.submit(tasks.add, 1).result(), flush=True)
            future = ex.submit(tasks.sleep, 0.5, 'parent')
            pid = os.fork()
            if pid == 0:
                try:
                    ex.submit(tasks.add, 1)
                except tenon.Unavailable as error:
                    print('child:', 'forked' in str(error), flush=True)
                ex.shutdown()
                sys.exit(0)
            os.waitpid(pid, 0)
            print(future.result())
            ex.shutdown()
            """)
        self.assertEqual(done.stdout.split("\n")[:3], ["1", "child: True", "parent"], done.stderr)

    def test_beside_a_forking_pool(self) -> None:
        done = script("""
            import concurrent.futures, multiprocessing
            ex = tenon.Executor(1)
            ex.submit(tasks.add, 1).add_done_callback(lambda f: None)
            with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context('fork')) as other:
                print(sum(other.map(abs, range(10))), sum(ex.map(tasks.add, range(10))))
            ex.shutdown()
            print('ended')
            """)
        self.assertEqual(done.stdout.split(), ["45", "45", "ended"], done.stderr)


class Asyncio(unittest.TestCase):
    def test_run_in_executor_and_await(self) -> None:
        async def main(executor: tenon.Executor) -> None:
            loop = asyncio.get_running_loop()
            self.assertEqual(await loop.run_in_executor(executor, tasks.add, 1, 2), 3)
            self.assertEqual(await executor.submit(tasks.add, 2, 3), 5)
            results = await asyncio.gather(*(executor.submit(tasks.add, i) for i in range(500)))
            self.assertEqual(results, list(range(500)))
            with self.assertRaises(ValueError):
                await executor.submit(tasks.fail, "value")
            with self.assertRaises(TimeoutError):
                await asyncio.wait_for(loop.run_in_executor(executor, tasks.sleep, 0.5), 0.05)

        with tenon.Executor(2) as executor:
            asyncio.run(main(executor))


if __name__ == "__main__":
    logging.getLogger("tenon").setLevel(logging.CRITICAL)
    unittest.main()
