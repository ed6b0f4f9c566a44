"""Slots are handed over in the order in which they were asked for."""

from __future__ import annotations

import threading
import time

from cdc.slots import Slots


def test_a_thread_that_asks_again_at_once_does_not_starve_another() -> None:
    slots = Slots(1)
    assert slots.acquire(1)
    got: list[str] = []

    def wait() -> None:
        assert slots.acquire(60)
        got.append("waiting")
        slots.release()

    waiter = threading.Thread(target=wait)
    waiter.start()
    while not slots._waiting:
        time.sleep(0.001)
    slots.release()
    assert slots.acquire(60)
    got.append("greedy")
    slots.release()
    waiter.join()

    assert got == ["waiting", "greedy"]


def test_one_who_gave_up_leaves_the_queue() -> None:
    slots = Slots(1)
    assert slots.acquire(1)

    assert not slots.acquire(0.01)
    slots.release()

    assert slots.acquire(0)


def test_no_more_than_the_count_run_at_once() -> None:
    slots = Slots(2)
    running, most = 0, 0
    lock, begun = threading.Lock(), threading.Barrier(6)

    def work() -> None:
        nonlocal running, most
        begun.wait(60)
        for _ in range(20):
            assert slots.acquire(60)
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.0005)
            with lock:
                running -= 1
            slots.release()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == 2
