"""Measures loky, the executor of joblib."""

import sys

import common
from tasks import echo

try:
    from joblib.externals.loky import ProcessPoolExecutor
except ImportError:
    common.absent("joblib is not installed")


class Loky(common.System):
    def __init__(self):
        self.pool = ProcessPoolExecutor(common.WORKERS)

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
    common.measure(Loky, sys.argv)
