"""Measures concurrent.futures.ProcessPoolExecutor, with fork and with spawn."""

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

import common
from tasks import echo


class ProcessPool(common.System):
    def __init__(self, method):
        self.pool = ProcessPoolExecutor(common.WORKERS, mp_context=multiprocessing.get_context(method))

    def call(self, value):
        return self.pool.submit(echo, value).result()

    def first_result(self):
        return common.first_result_of(self.pool.submit)

    def futures(self, count):
        common.futures_of(self.pool.submit, count)

    def map(self, count):
        common.check_all(self.pool.map(echo, range(count), chunksize=1000), count)

    def stop(self):
        self.pool.shutdown()


if __name__ == "__main__":
    method_of = {"process_pool_fork": "fork", "process_pool_spawn": "spawn"}
    common.measure(lambda: ProcessPool(method_of[sys.argv[1]]), sys.argv)
