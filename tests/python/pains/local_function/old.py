"""A function in a function."""
import concurrent.futures


def main():
    def scaled(x, factor):
        return x * factor

    with concurrent.futures.ProcessPoolExecutor(2) as executor:
        print(list(executor.map(scaled, [1, 2, 3], [10, 10, 10])))


if __name__ == "__main__":
    main()
