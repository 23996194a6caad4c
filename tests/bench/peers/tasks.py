"""The functions that the Python systems run. They are in a separate module, so that every system
can import it."""


def echo(value):
    return value
