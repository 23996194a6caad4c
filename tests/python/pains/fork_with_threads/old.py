"""A thread holds a lock while a pool forks: the child waits for it forever."""
import concurrent.futures
import multiprocessing
import threading
import time

import work


def hold():
    with work.lock:
        time.sleep(1)


if __name__ == "__main__":
    threading.Thread(target=hold, daemon=True).start()
    time.sleep(0.1)
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as executor:
        print(executor.submit(work.work, 5).result())
