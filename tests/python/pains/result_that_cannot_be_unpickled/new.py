"""It arrives as what it was."""
import tenon
import work

with tenon.Executor(1) as executor:
    error = executor.submit(work.work).exception()
    print(type(error).__name__, error)
    print(executor.submit(abs, -1).result())
