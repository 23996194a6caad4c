"""The script that everybody writes first, where the start method is spawn: no `if __name__ == "__main__"`."""
import concurrent.futures
import multiprocessing


def square(x):
    return x * x


print("top level")
with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor:
    print(list(executor.map(square, [1, 2, 3])))
