# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The worker threads that blocks are packed and unpacked in."""

from __future__ import annotations

import threading
import time

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive._pool import Pool


def test_every_call_gives_its_own_result() -> None:
    pool = Pool(3)
    pending = [pool.submit(pow, number, 2) for number in range(100)]
    assert [each.result() for each in pending] == [number * number for number in range(100)]
    assert pending[7].result() == 49  # as often as it is asked
    pool.close()


def test_one_thread_keeps_the_order() -> None:
    pool, seen = Pool(1), []
    for each in [pool.submit(seen.append, number) for number in range(1000)]:
        each.result()
    pool.close()
    assert seen == list(range(1000))


def test_an_error_is_raised_where_the_result_is_awaited_and_the_pool_goes_on() -> None:
    pool = Pool(1)
    broken, sound = pool.submit(int, "x"), pool.submit(int, "7")
    with pytest.raises(ValueError, match="invalid literal"):
        broken.result()
    with pytest.raises(ValueError, match="invalid literal"):
        broken.result()
    assert sound.result() == 7
    pool.close()


def test_close_waits_for_what_runs_and_drops_what_does_not() -> None:
    pool, begun, go, seen = Pool(1), threading.Event(), threading.Event(), []

    def slow() -> None:
        begun.set()
        go.wait(10)
        seen.append("slow")

    running = pool.submit(slow)
    begun.wait(10)
    waiting = pool.submit(seen.append, "never")
    closing = threading.Thread(target=pool.close)
    closing.start()
    while not pool._closed:
        time.sleep(0.001)
    go.set()
    closing.join(10)
    running.result()
    assert seen == ["slow"]
    with pytest.raises(RuntimeError, match="closed"):
        waiting.result()
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(int)


def test_no_thread_is_started_for_nothing_and_none_is_left() -> None:
    before = threading.active_count()
    pool = Pool(4)
    assert threading.active_count() == before
    pool.submit(int).result()
    assert threading.active_count() == before + 1
    pool.close()
    assert threading.active_count() == before
