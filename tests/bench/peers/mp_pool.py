"""Measures multiprocessing.Pool: single calls, and chunks of 1000."""

import multiprocessing
import sys

import common
from tasks import echo


class Chunks(common.System):
    """Overrides only what differs in chunks."""

    def __init__(self):
        self.pool = multiprocessing.Pool(common.WORKERS)

    def map(self, count):
        common.check_all(self.pool.map(echo, range(count), chunksize=1000), count)

    def stop(self):
        self.pool.close()
        self.pool.join()


class Plain(Chunks):
    def call(self, value):
        return self.pool.apply(echo, (value,))

    def futures(self, count):
        results = [self.pool.apply_async(echo, (common.PAYLOAD,)) for _ in range(count)]
        for result in results:
            assert result.get() == common.PAYLOAD

    def map(self, count):
        common.check_all(self.pool.map(echo, range(count), chunksize=1), count)


if __name__ == "__main__":
    common.measure(Chunks if sys.argv[1] == "mp_pool_chunks" else Plain, sys.argv)
