"""The imports and constants that a function uses go along with its source."""
import tenon


def area(radius):
    return round(math.pi * radius**2 * SCALE, 2)


if __name__ == "__main__":
    import math

    SCALE = 2
    with tenon.Executor(1) as executor:
        print(executor.submit(tenon.source(area), 1).result())
