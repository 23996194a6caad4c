"""Measures Dask distributed on this machine."""

import logging
import sys
import tempfile

import common
from tasks import echo

try:
    from distributed import Client, LocalCluster
except ImportError:
    common.absent("distributed is not installed")


class Dask(common.System):
    def __init__(self):
        self.directory = tempfile.TemporaryDirectory()
        self.cluster = LocalCluster(n_workers=common.WORKERS, threads_per_worker=1, processes=True, memory_limit=None,
                                    dashboard_address=None, host="127.0.0.1", local_directory=self.directory.name,
                                    silence_logs=logging.CRITICAL)
        self.client = Client(self.cluster)

    def call(self, value):
        return self.client.submit(echo, value, pure=False).result()

    def futures(self, count):
        futures = [self.client.submit(echo, common.PAYLOAD, pure=False) for _ in range(count)]
        assert self.client.gather(futures) == [common.PAYLOAD] * count

    def map(self, count):
        common.check_all(self.client.gather(self.client.map(echo, range(count), pure=False)), count)

    def stop(self):
        self.client.close()
        self.cluster.close()
        self.directory.cleanup()


if __name__ == "__main__":
    common.measure(Dask, sys.argv)
