"""One worker dies: all other futures fail, and the pool is broken for good."""
import concurrent.futures

import work

if __name__ == "__main__":
    with concurrent.futures.ProcessPoolExecutor(2) as executor:
        futures = [executor.submit(work.work, i) for i in range(20)]
        print(sum(future.exception() is not None for future in futures), "of 20 failed")
        print(executor.submit(work.work, 1).result())
