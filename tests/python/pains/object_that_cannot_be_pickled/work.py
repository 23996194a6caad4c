import sqlite3

import tenon


@tenon.worker_state
def connection():
    return sqlite3.connect(":memory:")


def count():
    return tenon.state(connection).execute("select 6 * 7").fetchone()[0]


def identity(_):
    return id(tenon.state(connection))
