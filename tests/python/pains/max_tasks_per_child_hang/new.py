"""Workers that are replaced after some tasks."""
import tenon
import work

with tenon.Executor(1, max_tasks_per_worker=2) as executor:
    futures = [executor.submit(work.work, i) for i in range(20)]
    print(sum(future.result() for future in futures))
