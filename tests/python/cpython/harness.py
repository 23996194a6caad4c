"""CPython's own tests of executors, run against tenon.Executor.

Nothing of CPython is copied: this module imports CPython's test module, which the package libpython3.X-testsuite of
Debian and Ubuntu installs, and its own create_executor_tests creates the test classes for another executor. Tests that
by design cannot pass are listed in `expected`, with the reason, and must fail, so that the list stays correct.

Workers preload this module, so that its classes exist there under the same names.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import unittest
import unittest.mock
from typing import Any

import tenon

try:
    import test.test_concurrent_futures as cpython
except ImportError:
    cpython = None

SKIPPED: str | None = None
if cpython is None:
    SKIPPED = (f"CPython's tests are not installed; the package libpython{sys.version_info[0]}.{sys.version_info[1]}"
               f"-testsuite has them (tools/setup installs it)")
elif not hasattr(cpython, "create_executor_tests"):
    SKIPPED = (f"the tests of Python {sys.version_info[0]}.{sys.version_info[1]} are a package of several modules, "
               f"which this harness does not know; it is written for 3.11 (test.test_concurrent_futures as one module)")


class _Process:
    """The interface of a ProcessPoolExecutor's process that the tests use."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)

    def join(self, timeout: float | None = None) -> None:
        pass


class _Thread:
    """Stands for the thread that manages a ProcessPoolExecutor; here it represents the end of the executor."""

    def __init__(self, core: Any) -> None:
        self._core = core

    def join(self, timeout: float | None = None) -> None:
        for ender in list(self._core._enders):
            ender.join(timeout)


class _Queue:
    @staticmethod
    def join_thread() -> None:
        pass


# Workers only need the names of the test classes, but no executor.
_Base: Any = object if "_tenon_worker" in sys.modules else tenon.Executor


class ProcessPoolExecutor(_Base):
    """tenon.Executor with the constructor and the internals of ProcessPoolExecutor that the tests use."""

    def __init__(self, max_workers: int | None = None, mp_context: Any = None, initializer: Any = None,
                 initargs: tuple[Any, ...] = (), *, max_tasks_per_child: int | None = None) -> None:
        super().__init__(max_workers, initializer=initializer, initargs=initargs, preload=["harness"],
                         max_tasks_per_worker=max_tasks_per_child)

    @property
    def _processes(self) -> dict[int, _Process] | None:
        if self._core.down:
            return None
        return {worker.pid: _Process(worker.pid) for worker in self._core._workers()}

    @property
    def _executor_manager_thread(self) -> _Thread:
        return _Thread(self._core)

    @property
    def _call_queue(self) -> type[_Queue]:
        return _Queue

    @property
    def _broken(self) -> bool:
        return self._core.broken is not None


if SKIPPED is None:

    class TenonMixin(cpython.ExecutorMixin):
        """The class that create_executor_tests mixes in, like ProcessPoolSpawnMixin."""

        executor_type = ProcessPoolExecutor
        ctx = "spawn"

        def setUp(self) -> None:
            # Some tests name the class. This test skips itself for that class.
            if self._testMethodName != "test_hang_gh83386":
                self.patch_class()
            super().setUp()
            # The tests expect workers that have started; the first call of a function imports its module.
            if not self.executor_kwargs:
                for future in [self.executor.submit(cpython.mul, 1, 1) for _ in range(20)]:
                    future.exception()
            if self._testMethodName == "test_cancel_futures":
                self.begin_before_shutdown()

        def begin_before_shutdown(self) -> None:
            """CPython counts a call as begun once it lies in the queue of its workers. Ours must have begun to run, which
            takes longer than the submissions on a loaded machine."""
            submit, shutdown, futures = self.executor.submit, self.executor.shutdown, []

            def submit_and_keep(*args: Any) -> Any:
                futures.append(submit(*args))
                return futures[-1]

            def shutdown_later(**options: Any) -> None:
                deadline = time.monotonic() + 60
                while not any(one.running() or one.done() for one in futures) and time.monotonic() < deadline:
                    time.sleep(0.001)
                shutdown(**options)

            self.executor.submit, self.executor.shutdown = submit_and_keep, shutdown_later

        def patch_class(self) -> None:
            patch = unittest.mock.patch.object(cpython.futures, "ProcessPoolExecutor", ProcessPoolExecutor)
            patch.start()
            self.addCleanup(patch.stop)

    class TenonNoContextMixin(cpython.ExecutorMixin):
        """The same without a context of multiprocessing, whose queue of log lines is not data."""

        executor_type = ProcessPoolExecutor

    _real_assert_python_ok = cpython.assert_python_ok

    def _assert_python_ok(*args: str, **environment: str) -> Any:
        """Runs a script of the tests, which imports the executor from concurrent.futures, with our executor in its
        place."""
        at = args.index("-c") + 1
        head = (f"import sys; sys.path[:0] = {[os.path.dirname(os.path.abspath(__file__)), *_TENON_PATH]!r}; "
                f"import concurrent.futures, harness, multiprocessing; "
                f"concurrent.futures.ProcessPoolExecutor = harness.ProcessPoolExecutor\n")
        return _real_assert_python_ok(*args[:at], head + args[at], *args[at + 1:], **environment)

    _TENON_PATH = [os.path.dirname(os.path.dirname(tenon.__file__))]
    cpython.assert_python_ok = _assert_python_ok
    cpython.multiprocessing = __import__("multiprocessing")


_TWICE = ("TenonExecutorTest", "TenonProcessPoolExecutorTest")


def _make_classes() -> list[str]:
    """Creates the test classes for tenon.Executor in CPython's module, and returns their names."""
    names = []
    for mixin in (cpython.InitializerMixin, cpython.FailingInitializerMixin, cpython.WaitTests,
                  cpython.AsCompletedTests, cpython.ExecutorTest, cpython.ProcessPoolExecutorTest, cpython.ProcessPoolShutdownTest,
                  cpython.ExecutorDeadlockTest):
        before = set(vars(cpython))
        which = TenonNoContextMixin if mixin is cpython.FailingInitializerMixin else TenonMixin
        cpython.create_executor_tests(mixin, executor_mixins=(which,))
        names += sorted(set(vars(cpython)) - before)
    return names


_CLASSES = _make_classes() if SKIPPED is None else []


def load() -> unittest.TestSuite:
    """Returns each test once: the tests of executors, and those of futures."""
    suite = unittest.TestSuite()
    seen: set[str] = set()
    for name in [*_CLASSES, "FutureTests"]:
        for test in unittest.defaultTestLoader.loadTestsFromTestCase(getattr(cpython, name)):
            # ProcessPoolExecutorTest contains all tests of ExecutorTest again.
            key = test._testMethodName if name in _TWICE else test.id()
            if key not in seen:
                seen.add(key)
                suite.addTest(test)
    return suite
