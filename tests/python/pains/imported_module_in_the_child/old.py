"""What the main program imports and sets is not there in a child that was not forked."""
import concurrent.futures
import multiprocessing


def area(radius):
    return round(math.pi * radius**2 * SCALE, 2)


if __name__ == "__main__":
    import math

    SCALE = 2
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        print(executor.submit(area, 1).result())
