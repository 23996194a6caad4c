import multiprocessing


def square(x):
    return x * x


def sum_of_squares_in_a_pool(values):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return sum(pool.map(square, values))


def sum_of_squares_in_an_executor(values):
    import tenon

    with tenon.Executor(1) as executor:
        return sum(executor.map(square, values))
