"""A lambda that uses its arguments goes as source."""
import tenon

with tenon.Executor(2) as executor:
    print(list(executor.map(lambda x: x * x, [1, 2, 3])))
