"""A function of a notebook's cell goes as source; the cell runs again, and the function is another one."""
import tenon

import linecache


def run_cell(number, text):
    """As IPython runs a cell: compiled under a name of its own, with the text where tracebacks look for it."""
    name = f"<ipython-input-{number}-0123456789ab>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    exec(compile(text, name, "exec"), globals())


run_cell(1, "OFFSET = 1")
run_cell(2, "def work(x):\n    return x * x + OFFSET\n")
with tenon.Executor(1) as executor:
    print(executor.submit(tenon.source(work), 3).result())
    run_cell(3, "def work(x):\n    return x * x * x + OFFSET\n")
    print(executor.submit(tenon.source(work), 3).result())
    run_cell(4, "OFFSET = 100")
    print(executor.submit(tenon.source(work), 3).result())
