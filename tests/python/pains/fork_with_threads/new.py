"""Workers inherit no locks and no threads."""
import threading
import time

import tenon
import work


def hold():
    with work.lock:
        time.sleep(1)


threading.Thread(target=hold, daemon=True).start()
time.sleep(0.1)
with tenon.Executor(1) as executor:
    print(executor.submit(work.work, 5).result())
