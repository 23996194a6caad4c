"""A pool in a task of a pool."""
import multiprocessing

import work

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(work.sum_of_squares_in_a_pool, [[1, 2, 3]]))
