"""What tools/demo --python shows: tenon in Python, in four steps. PYTHONPATH names the package: build/python."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import tenon
import tenon.pack

GREETER = '''
def greet(name: str) -> str:
    """Greets someone."""
    return "Hello, " + name + "!"
'''


def count_primes(first: int, last: int) -> int:
    return sum(all(number % divisor for divisor in range(2, int(number ** 0.5) + 1)) for number in range(first, last))


def crash() -> None:
    import os
    os.abort()


def show(title: str, result: object) -> None:
    print(f"  {title:<44} {result}")


def functions() -> None:
    with tenon.Executor() as executor:
        source = tenon.source(count_primes)
        started = time.perf_counter()
        total = sum(executor.map(source, range(2, 100_000, 10_000), range(10_002, 110_002, 10_000)))
        elapsed = time.perf_counter() - started
        show(f"primes below 100,002, {len(os.sched_getaffinity(0))} workers, {elapsed:.2f} s", total)
        try:
            executor.submit(tenon.source(crash)).result()
        except tenon.WorkerCrashed as error:
            show("a call that aborts its worker", f"{type(error).__name__}, signal {error.signal}")
        show("the next call", executor.submit(pow, 2, 10).result())


def plugin(directory: Path) -> None:
    file = directory / "greeter.py"
    plugins = directory / "plugins"
    file.write_text(GREETER)
    tenon.pack.pack(file, plugins)
    with tenon.Runtime(workers=2, plugin_dirs=[plugins], hot_swap=tenon.HotSwap(store_dir=directory)) as runtime:
        show("a plugin written in Python", runtime.call("greeter.greet", name="world").value)
        file.write_text(GREETER.replace("Hello", "Good evening"))
        report = runtime.swap(tenon.pack.pack(file, plugins))
        show(f"its next version, swapped in within {(report.staged + report.examined + report.warmed) * 1000:.0f} ms",
             runtime.call("greeter.greet", name="world").value)


def main() -> int:
    with tenon.Runtime(workers=2) as runtime:
        show("lines of this file, by a plugin in C++", runtime.call("text.count", path=__file__).lines)
    functions()
    with tempfile.TemporaryDirectory(prefix="tenon-demo-") as directory:
        plugin(Path(directory))
    return 0


sys.exit(main())  # No `if __name__ == "__main__"`: workers never run this file.
