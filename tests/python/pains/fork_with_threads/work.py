import threading

lock = threading.Lock()


def work(i):
    with lock:
        return i
