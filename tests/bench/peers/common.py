"""The workloads for every Python system."""

import json
import sys
import time
from itertools import islice, repeat

from tasks import echo

WORKERS = 2
PAUSE_S = 0.002  # As in harness/measure.hpp: long enough that both sides sleep.
PAYLOAD = b"x" * 64
LARGE_BYTES = 256 << 20


def report(name, unit, samples):
    """Prints one line for tests/bench/run at once, so that no figure is lost if a later workload
    takes too long."""
    print(json.dumps({"name": name, "unit": unit, "samples": samples}), flush=True)


def absent(reason):
    print(json.dumps({"absent": reason}), flush=True)
    sys.exit(0)


def latencies(call, time_s, most, pause_s=0.0):
    """Returns the microseconds of each of many calls during `time_s`."""
    call()
    samples = []
    end = time.perf_counter() + time_s
    while len(samples) < most and (len(samples) < 5 or time.perf_counter() < end):
        if pause_s:
            time.sleep(pause_s)
        begin = time.perf_counter()
        call()
        samples.append((time.perf_counter() - begin) * 1e6)
    return samples


def rates(run, time_s, first):
    """Returns the calls per second of `run(count)`, with a count that takes about `time_s`."""
    count, took = first, 0.0
    while took < time_s / 3:
        if took:
            count = int(count * min(10.0, time_s / took)) + 1
        begin = time.perf_counter()
        run(count)
        took = time.perf_counter() - begin
    samples = [count / took]
    begin = time.perf_counter()
    run(count)
    samples.append(count / (time.perf_counter() - begin))
    return samples


class System:
    """One running system. Subclasses override the methods that differ."""

    def call(self, value):
        """Runs echo(value) and waits for the result."""
        raise NotImplementedError

    def first_result(self):
        """Does what a fresh system needs to start all its workers; returns with the first
        result."""
        return self.call(PAYLOAD)

    def futures(self, count):
        """Makes `count` calls with one future each; then takes all results."""

    def map(self, count):
        """Makes `count` calls in the system's way for many calls."""

    def stop(self):
        raise NotImplementedError


def futures_of(submit, count):
    """Runs the workload futures.1 with the interface of concurrent.futures."""
    futures = [submit(echo, payload) for payload in repeat(PAYLOAD, count)]
    for future in futures:
        assert future.result() == PAYLOAD


def first_result_of(submit):
    """Starts executors that start a worker for each call until there are enough."""
    return [submit(echo, PAYLOAD) for _ in range(WORKERS)][0].result()


def check_all(results, count):
    """Checks the results of the workload map.tiny, which returns each number, in order."""
    assert all(got == wanted for wanted, got in enumerate(islice(results, count)))


def overwrites(system, method):
    return getattr(type(system), method) is not getattr(System, method)


def measure(start, arguments):
    """Runs all workloads of one system. `--quick`: less of each. `--large`: also the 256 MiB
    echo."""
    quick, large = "--quick" in arguments, "--large" in arguments
    time_s = 0.3 if quick else 1.0
    samples = []
    system = None
    for _ in range(1 if quick else 3):
        if system is not None:
            system.stop()
        begin = time.perf_counter()
        system = start()
        if overwrites(system, "call"):
            assert system.first_result() == PAYLOAD
            samples.append((time.perf_counter() - begin) * 1e6)
        if time.perf_counter() - begin > 1:
            break
    try:
        if overwrites(system, "call"):
            report("start.2", "us", samples)
            call = lambda: system.call(PAYLOAD)  # noqa: E731
            report("call.64B.sleeping", "us", latencies(call, time_s, 300, PAUSE_S))
            report("call.64B.awake", "us", latencies(call, time_s, 5000))
        if overwrites(system, "futures"):
            report("futures.1", "calls/s", rates(system.futures, time_s, 100))
        if overwrites(system, "map"):
            report("map.tiny", "calls/s", rates(system.map, time_s, 1000))
        if large and overwrites(system, "call"):
            argument = bytes(LARGE_BYTES)
            begin = time.perf_counter()
            assert len(system.call(argument)) == LARGE_BYTES
            report("echo.256MiB", "us", [(time.perf_counter() - begin) * 1e6])
    finally:
        system.stop()
