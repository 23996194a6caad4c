"""Workers are ordinary processes: what a library starts there is its own business."""
import library
import tenon

with tenon.Executor(1) as executor:
    print(executor.submit(library.load, [1, 2, 3]).result())
