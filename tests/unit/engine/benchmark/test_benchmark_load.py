from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.benchmark.load import Load, count_sessions
from app.engine.benchmark.results import Setting
from app.engine.benchmark.summary import summarize_latencies
from app.engine.graph.description import TensorInfo
from tests.support.timed import ThreadClock, TimedSession

INPUTS = (TensorInfo("x", "float32", ("batch", 2)),)


def requests(n: int) -> list[dict[str, np.ndarray]]:
    return [{"x": np.full((1, 2), number)} for number in range(n)]


def load_of(*milliseconds: float, batch: int = 1, different: int = 1) -> Load:
    """One stream per session, each with its own service time."""
    clock = ThreadClock()
    sessions = [TimedSession(clock, ms / 1000, INPUTS) for ms in milliseconds]
    return Load(sessions, requests(different), Setting(len(milliseconds), 2, batch), clock)


def test_one_stream_keeps_every_latency_and_counts_samples() -> None:
    sample = load_of(8.0, batch=4).run(1.0)
    assert sample.latencies_ms == pytest.approx([8.0] * 125)
    assert sample.throughput_fps == pytest.approx(4 / 0.008)


def test_streams_are_added_up_each_over_its_own_time() -> None:
    # the fast stream ends at 1.0 s, the slow one at 1.2 s
    sample = load_of(10.0, 300.0).run(1.0)
    assert sample.throughput_fps == pytest.approx(1 / 0.010 + 1 / 0.300)
    assert sorted(set(np.round(sample.latencies_ms, 6))) == [10.0, 300.0]


def test_a_request_longer_than_the_given_time_is_finished() -> None:
    sample = load_of(5000.0).run(0.1)
    assert sample.latencies_ms == pytest.approx([5000.0])
    assert sample.throughput_fps == pytest.approx(0.2)


def test_streams_send_different_requests_in_turn() -> None:
    load = load_of(10.0, 10.0, different=3)
    load.run(0.055)
    first, second = [[int(feeds["x"][0, 0]) for feeds in session.requests] for session in load.sessions]  # type: ignore[attr-defined]
    assert first == [0, 1, 2, 0, 1, 2]
    assert second == [1, 2, 0, 1, 2, 0]


def test_an_error_of_any_stream_reaches_the_caller() -> None:
    load = load_of(10.0, 10.0)

    def fail(*_: object) -> list[np.ndarray]:
        raise ValueError("request refused")

    load.sessions[1].run = fail  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="request refused"):
        load.run(0.1)


def test_only_streams_of_several_threads_need_their_own_sessions() -> None:
    assert [count_sessions(Setting(*setting, 1)) for setting in ((1, 4), (4, 1), (2, 2))] == [1, 1, 2]


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=300))
def test_percentiles_follow_the_stated_definition(values: list[float]) -> None:
    latency = summarize_latencies(np.array(values))
    ordered, n = sorted(values), len(values)
    for p, found in ((50, latency.p50), (90, latency.p90), (95, latency.p95), (99, latency.p99)):
        position = (n - 1) * p / 100
        below = int(position)
        above = min(below + 1, n - 1)
        expected = ordered[below] + (position - below) * (ordered[above] - ordered[below])
        assert found == pytest.approx(expected, rel=1e-9)
    assert latency.n == n
    assert latency.mean == pytest.approx(np.mean(values))
    assert latency.p50 <= latency.p90 <= latency.p95 <= latency.p99


def test_no_latency_is_an_error_not_a_nan() -> None:
    with pytest.raises(ValueError, match="n >= 1"):
        summarize_latencies(np.array([]))
