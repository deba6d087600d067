"""How many requests may be in flight, by what servers say of themselves."""

from __future__ import annotations

import pytest

from seedgate.generator.clients.room import LEAST, MOST, START, Room, queue_of


def test_it_grows_while_all_of_it_is_used_and_nothing_waits() -> None:
    room = Room()
    room.observe(waiting=0, used=0.2, in_flight=START - 1)
    assert room.now == START
    for _ in range(20):
        room.observe(waiting=0, used=0.2, in_flight=room.now)
    assert room.now == MOST


@pytest.mark.parametrize(("waiting", "used"), [(40, 0.2), (0, 0.95)])
def test_it_shrinks_where_requests_wait_or_the_cache_is_full(waiting: float, used: float) -> None:
    room = Room()
    room.now = 100
    room.observe(waiting, used, in_flight=100)
    assert room.now == 80
    for _ in range(50):
        room.observe(waiting, used, in_flight=room.now)
    assert room.now == START
    room.observe(waiting, used, in_flight=2)
    assert room.now == START


def test_a_few_that_wait_change_nothing() -> None:
    room = Room()
    room.observe(waiting=2, used=0.2, in_flight=START)
    assert room.now == START


def test_refusals_at_one_time_count_once_and_take_it_below_where_it_began() -> None:
    room = Room()
    for at in (0.0, 0.1, 0.2, 1.5):
        room.refused(at)
    assert room.now == int(0.8 * int(0.8 * START))
    room.observe(waiting=9, used=0.2, in_flight=room.now)
    assert room.now == int(0.8 * int(0.8 * START))
    for at in range(2, 50):
        room.refused(float(2 * at))
    assert room.now == LEAST


def test_figures_of_several_engines_are_added_and_those_of_others_are_none() -> None:
    page = """# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="a"} 3.0
vllm:num_requests_waiting{engine="1",model_name="a"} 4.0
vllm:num_requests_waiting_by_reason{engine="1",reason="capacity"} 4.0
vllm:kv_cache_usage_perc{engine="0",model_name="a"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="a"} 0.5
"""
    assert queue_of(page) == (7.0, 0.5)
    assert queue_of("nothing of that kind 1.0") is None
