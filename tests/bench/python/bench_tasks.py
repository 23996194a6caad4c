"""The functions that the bench runs in all systems."""


def add(x, y):
    return x + y


def same(value):
    return value
