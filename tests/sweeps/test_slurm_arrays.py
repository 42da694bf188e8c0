"""Dividing trials into arrays.

None is lost or there twice, no array is larger than the cluster allows, no shard longer than its
task may run.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jobs import Job

from sweeps.profiles import Profile
from sweeps.slurm.arrays import LIMIT_SHARE, Room, divide, shard_count


def jobs(seconds: list[float]) -> list[Job]:
    return [Job(value, number) for number, value in enumerate(seconds)]


@settings(max_examples=20)
@given(
    st.lists(st.floats(0, 5000), min_size=1, max_size=120),
    st.integers(1, 12),
    st.none() | st.integers(0, 30),
    st.integers(1, 4),
    st.none() | st.integers(1, 5),
)
def test_every_trial_is_in_one_shard_or_left_out(
    seconds: list[float], array: int, total: int | None, slots: int, each: int | None
) -> None:
    profile = Profile(slots=slots, trials_per_shard=each, options={"time": "02:00:00"})
    arrays, left_out = divide(jobs(seconds), profile, Room(array, total))
    placed = [job.number for shards in arrays for shard in shards for job in shard]
    assert sorted(placed + [job.number for job in left_out]) == list(range(len(seconds)))
    assert all(0 < len(shards) <= array * slots for shards in arrays)
    if total is None:
        assert not left_out
    else:
        assert sum(-(-len(shards) // slots) for shards in arrays) <= total
    if each:
        assert max((len(shard) for shards in arrays for shard in shards), default=0) <= each


@pytest.mark.parametrize(
    ("trials", "array", "sizes"),
    [(1000, 101, [101] * 9 + [91]), (101, 101, [101]), (102, 101, [101, 1]), (1, 1001, [1])],
)
def test_one_trial_a_task(trials: int, array: int, sizes: list[int]) -> None:
    arrays, _ = divide(jobs([1.0] * trials), Profile(trials_per_shard=1), Room(array))
    assert [len(shards) for shards in arrays] == sizes


def test_by_default_many_short_trials_are_one_array_of_few_tasks() -> None:
    arrays, _ = divide(jobs([1.0] * 1000), Profile(), Room(101))
    assert len(arrays) == 1
    assert len(arrays[0]) == 9  # 1000 s by 120 s


def test_long_trials_are_a_task_each() -> None:
    assert shard_count([3600.0] * 50, Profile(options={"time": "12:00:00"}), Room(1001)) == 50


def test_a_shard_ends_within_the_time_limit_even_if_that_takes_a_second_array() -> None:
    limited = Profile(options={"time": "01:00:00"})
    usable = LIMIT_SHARE * (3600 - 120)
    arrays, _ = divide(jobs([600.0] * 600), limited, Room(100))
    assert len(arrays) > 1
    assert (
        max(sum(job.predicted_seconds for job in shard) for shards in arrays for shard in shards)
        <= usable + 600
    )


def test_a_throttle_means_some_shards_for_each_task_that_may_run() -> None:
    assert shard_count([60.0] * 1000, Profile(throttle=5, slots=2), Room(1001)) == 4 * 5 * 2


def test_little_room_makes_fewer_and_longer_shards() -> None:
    arrays, left_out = divide(jobs([600.0] * 100), Profile(), Room(1001, total=7))
    assert [len(shards) for shards in arrays] == [7]
    assert not left_out
    assert divide(jobs([600.0] * 5), Profile(), Room(1001, total=0))[0] == []
