"""It goes as source; what it needs goes as arguments, and tenon says so where it does not."""
import tenon


def main():
    factor = 10

    def scaled(x, factor):
        return x * factor

    def closure(x):
        return x * factor

    with tenon.Executor(2) as executor:
        print(list(executor.map(tenon.source(scaled), [1, 2, 3], [10, 10, 10])))
        try:
            executor.submit(tenon.source(closure), 1)
        except TypeError as error:
            print(error)


main()
