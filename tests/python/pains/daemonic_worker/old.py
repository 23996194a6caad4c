"""A library that starts a process of its own, as data loaders do, used in a pool's worker."""
import multiprocessing

import library

if __name__ == "__main__":
    with multiprocessing.Pool(1) as pool:
        print(pool.apply(library.load, ([1, 2, 3],)))
