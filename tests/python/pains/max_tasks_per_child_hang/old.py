"""Workers that are replaced after some tasks: hangs (cpython#115634)."""
import concurrent.futures

import work

if __name__ == "__main__":
    with concurrent.futures.ProcessPoolExecutor(1, max_tasks_per_child=2) as executor:
        futures = [executor.submit(work.work, i) for i in range(20)]
        print(sum(future.result() for future in futures))
