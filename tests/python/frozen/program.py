import math
import sys

import frozen_tasks
import tenon

print("top level", __name__, flush=True)
with tenon.Executor(2) as executor:
    print(sum(executor.map(math.floor, [1.5] * 100)))
    # A worker has an interpreter of its own, so that a task that starts another one does not start this program.
    print(executor.call(frozen_tasks.ask_another_python))
    print(executor.call(lambda x: x + 1, 1) if sys.argv[1:] == ["lambda"] else "")
with tenon.Runtime(workers=1) as runtime:
    print(runtime.call("tenon.echo", data=b"echo").data.tobytes().decode())
sys.exit(3)
