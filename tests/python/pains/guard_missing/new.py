"""The same script: its top level runs once, and the function goes as source."""
import tenon


def square(x):
    return x * x


print("top level")
with tenon.Executor(2) as executor:
    print(list(executor.map(tenon.source(square), [1, 2, 3])))
