"""One worker dies: its call fails, with the reason."""
import logging

import tenon
import work

logging.getLogger("tenon").setLevel(logging.ERROR)
with tenon.Executor(2) as executor:
    futures = [executor.submit(work.work, i) for i in range(20)]
    failed = [error for future in futures if (error := future.exception()) is not None]
    print(len(failed), "of 20 failed:", failed[0])
    print(executor.submit(work.work, 1).result())
