def work(i):
    return i
