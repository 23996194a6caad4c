"""It is made once in each worker and stays there; calls reach it by name."""
import tenon
import work

with tenon.Executor(1) as executor:
    print(executor.submit(work.count).result(), len(set(executor.map(work.identity, range(100)))))
