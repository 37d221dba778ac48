from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from app.engine.benchmark.feeds import from_shape
from app.engine.benchmark.load import LoadSample
from app.engine.benchmark.paired import measure_paired, summarize_rounds
from app.engine.benchmark.results import Environment, PairedResult, Setting
from app.engine.benchmark.rounds import MAX_REPEATED, MIN_ROUNDS, SETTLE_SECONDS, SLICE_SECONDS, find_disturbed, measure_rounds
from app.engine.records import from_json, to_json
from app.errors import WorkbenchError
from tests.support.timed import DEVICE, TimedRuntime

SETTING = Setting(2, 1, 1)


@dataclass
class ScriptedLoad:
    """Slices of a given speed, times a factor that all loads of a round share, times noise of its own."""

    name: str
    fps: float
    calls: list[tuple[str, float]]
    shared: dict[int, float] = field(default_factory=dict)
    """Number of the measured slice -> factor."""
    noise: np.random.Generator | None = None
    spread: float = 0.0
    slices: int = 0

    def run(self, seconds: float) -> LoadSample:
        self.calls.append((self.name, seconds))
        measured = len([call for call in self.calls if call[0] == self.name])
        if measured % 2 == 1:  # settling comes first
            return LoadSample(np.array([np.nan]), np.nan)
        factor = self.shared.get(self.slices, 1.0)
        self.slices += 1
        if self.noise is not None:
            factor *= float(np.exp(self.noise.normal(0, self.spread)))
        fps = self.fps * factor
        return LoadSample(np.full(5, 1000 / fps), fps)


def summarize(*loads: ScriptedLoad, seconds: float = 0.0) -> PairedResult:
    rounds = measure_rounds(loads, seconds)
    return summarize_rounds(rounds, [load.name for load in loads], SETTING, Environment(DEVICE, 0.0, ""))


def test_a_known_ratio_is_recovered_exactly_without_noise() -> None:
    runtime = TimedRuntime()
    models = [Path("12.onnx"), Path("4.onnx"), Path("12.onnx")]
    result = measure_paired(runtime, models, ("fp32", "int8", "again"), from_shape(), SETTING, 6.0, clock=runtime.clock)
    assert (result.rounds, result.repeated_rounds, result.disturbed_rounds) == (20, 0, 0)
    fp32, int8, again = result.variants
    assert (fp32.speedup.value, fp32.speedup.low, fp32.speedup.high) == (1, 1, 1)
    assert int8.speedup.value == pytest.approx(3)
    assert int8.speedup.low == pytest.approx(3) == int8.speedup.high
    assert int8.latency_ratio.value == pytest.approx(1 / 3)
    assert int8.throughput_fps.value == pytest.approx(2 / 0.004)
    assert again.speedup.value == pytest.approx(1)
    assert int8.latency_ms.n == 20 * 2 * 25, "every request of every measured slice, and no settling"
    assert from_json(PairedResult, to_json(result)) == result


def test_each_slice_is_settled_and_every_other_round_goes_backwards() -> None:
    calls: list[tuple[str, float]] = []
    loads = [ScriptedLoad(name, 100.0, calls) for name in "abc"]
    progress: list[tuple[int, int]] = []
    measure_rounds(loads, 0.0, lambda done, total: progress.append((done, total)))
    assert [seconds for _, seconds in calls] == [SETTLE_SECONDS, SLICE_SECONDS] * (3 * MIN_ROUNDS)
    order = "".join(name for name, _ in calls[::2])
    assert order == "abccba" * (MIN_ROUNDS // 2)
    assert progress == [(number, MIN_ROUNDS) for number in range(1, MIN_ROUNDS + 1)]


def test_a_drift_of_the_whole_machine_leaves_the_ratio_alone() -> None:
    drift = {number: 1 - 0.015 * number for number in range(20)}
    calls: list[tuple[str, float]] = []
    result = summarize(ScriptedLoad("a", 100, calls, drift), ScriptedLoad("b", 150, calls, drift), seconds=4.0)
    assert result.variants[1].speedup.value == pytest.approx(1.5)
    assert result.variants[1].speedup.low == pytest.approx(1.5) == result.variants[1].speedup.high
    assert result.variants[1].throughput_fps.low < result.variants[1].throughput_fps.high


def test_a_disturbed_round_is_measured_again_and_said() -> None:
    calls: list[tuple[str, float]] = []
    shared = {3: 0.4, 7: 0.5}
    result = summarize(ScriptedLoad("a", 100, calls, shared), ScriptedLoad("b", 200, calls, shared))
    assert (result.rounds, result.repeated_rounds, result.disturbed_rounds) == (MIN_ROUNDS, 2, 0)
    assert result.variants[0].throughput_fps.low == pytest.approx(100)
    assert result.variants[1].latency_ms.p99 == pytest.approx(5.0), "the first attempt is not counted"


def test_a_machine_that_stays_busy_is_repeated_a_few_times_only() -> None:
    calls: list[tuple[str, float]] = []
    shared = dict.fromkeys([1, 4, 6, *range(MIN_ROUNDS, 100)], 0.5)
    result = summarize(ScriptedLoad("a", 100, calls, shared), ScriptedLoad("b", 200, calls, shared))
    assert (result.repeated_rounds, result.disturbed_rounds) == (MAX_REPEATED, 3)


def test_one_slow_file_alone_is_a_result_not_a_disturbance() -> None:
    calls: list[tuple[str, float]] = []
    only_b = {2: 0.3, 5: 0.3}
    loads = [ScriptedLoad("a", 100, calls), ScriptedLoad("b", 200, calls, only_b)]
    rounds = measure_rounds(loads, 0.0)
    assert (rounds.repeated, rounds.disturbed) == (0, 0)
    assert find_disturbed(rounds.samples) == []


@pytest.mark.parametrize("true_ratio", [1.0, 1.7])
def test_the_interval_holds_the_true_ratio_as_often_as_it_says(true_ratio: float) -> None:
    """95 % of seeded repetitions, less 3 standard deviations of that share."""
    repetitions, held = 60, 0
    for seed in range(repetitions):
        noise, calls = np.random.default_rng(seed), list[tuple[str, float]]()
        reference = ScriptedLoad("a", 100, calls, noise=noise, spread=0.03)
        other = ScriptedLoad("b", 100 * true_ratio, calls, noise=noise, spread=0.03)
        speedup = summarize(reference, other, seconds=4.0).variants[1].speedup
        held += speedup.low <= true_ratio <= speedup.high
    assert held / repetitions >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / repetitions)


def test_files_with_different_fixed_batches_cannot_be_compared() -> None:
    class Mixed(TimedRuntime):
        def open(self, model, **options):  # type: ignore[no-untyped-def]
            session = super().open(model, **options)
            session.inputs = (session.inputs[0].__class__("x", "float32", (int(model.stem), 2)),)
            return session

    with pytest.raises(WorkbenchError, match="fixed at 2, 4") as raised:
        measure_paired(Mixed(), [Path("2.onnx"), Path("4.onnx")], ("a", "b"), from_shape(), SETTING, 1.0)
    assert raised.value.code == "benchmark.batch_mismatch"
