"""An object of a C library: a connection, a model, anything of an extension module."""
import concurrent.futures
import sqlite3


def count(connection):
    return connection.execute("select 6 * 7").fetchone()[0]


if __name__ == "__main__":
    with concurrent.futures.ProcessPoolExecutor(1) as executor:
        print(executor.submit(count, sqlite3.connect(":memory:")).result())
