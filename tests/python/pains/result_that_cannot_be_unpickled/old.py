"""An exception whose constructor wants more than its message."""
import concurrent.futures

import work

if __name__ == "__main__":
    with concurrent.futures.ProcessPoolExecutor(1) as executor:
        print(type(executor.submit(work.work).exception()).__name__)
        print(executor.submit(abs, -1).result())
