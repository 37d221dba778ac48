"""INT8 Default as one reads it: place, estimate grids, look for loud values, fit integers; assembly follows (`assembly.py`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx

from app.engine.calibration.statistics import TensorStatistics
from app.engine.numerics.affine import QParams
from app.engine.preprocessing.pipeline import Preprocessing
from app.engine.quantize.alignment import STRENGTHS, WINS_BY_DB, Aligned, align
from app.engine.quantize.assembly import Fitted
from app.engine.quantize.fitting import CLEARLY_DB, Candidate, Contest, Entry, affordable_samples, split_samples
from app.engine.quantize.grids import Range, estimate_ranges, grids_on
from app.engine.quantize.judged import Judge
from app.engine.quantize.layers import Layer, find_layers
from app.engine.quantize.moments import each_with_moments
from app.engine.quantize.noise import NoiseMeter, better_ranges, keep_loud_in_float, noise_shares
from app.engine.quantize.observation import ALL_SEEN, LEAST_ERROR, exact_pixels, has_histograms, plan_everything
from app.engine.quantize.placement import ONNXRUNTIME, place, user_choice
from app.engine.quantize.recipe import NoiseShare, QuantizationSettings
from app.engine.quantize.sequential import SequentialBiasCorrection
from app.engine.quantize.support import multiply_adds_of
from app.engine.quantize.tensors import plan_tensors
from app.engine.quantize.weight_fitting import (
    Integers,
    correct_by_channel_means,
    fit_weights,
    round_all_to_nearest,
)
from app.engine.runtimes.base import Runtime
from app.errors import WorkbenchError

OnProgress = Callable[[str, int, int], None]
AS_IS = "as it is"


@dataclass(frozen=True)
class DefaultFit:
    graph: onnx.ModelProto
    """The float graph that the integers belong to: the prepared one, its channels aligned where that won."""
    fitted: Fitted
    keep_float: dict[str, str]
    """Node name -> why it stays in float, whatever the speed."""
    noise: tuple[NoiseShare, ...]
    candidates: tuple[Candidate, ...]
    chosen: str
    """What was taken, step by step."""
    sqnr_db: float | None
    """Of what was taken, on held-out samples; None when there were none."""


def fit_default(
    runtime: Runtime,
    prepared: onnx.ModelProto,
    statistics: Mapping[str, TensorStatistics],
    samples: Sequence[np.ndarray],
    settings: QuantizationSettings,
    *,
    preprocessing: Preprocessing | None = None,
    threads: int,
    on_progress: OnProgress = lambda _step, _done, _total: None,
) -> DefaultFit:
    """Grids and integers of a prepared graph.

    Args:
        samples: Input tensors, one batch of the model each, in calibration order; the first ones fit, others decide.
        on_progress: (step in words, done, total).
    """
    return _DefaultFit(runtime, prepared, statistics, samples, settings, preprocessing, threads, on_progress).run()


class _DefaultFit:
    def __init__(
        self,
        runtime: Runtime,
        prepared: onnx.ModelProto,
        statistics: Mapping[str, TensorStatistics],
        samples: Sequence[np.ndarray],
        settings: QuantizationSettings,
        preprocessing: Preprocessing | None,
        threads: int,
        on_progress: OnProgress,
    ) -> None:
        self._runtime, self._graph, self._statistics, self._settings = runtime, prepared, statistics, settings
        self._threads, self._on_progress = threads, on_progress
        self._plan = plan_everything(prepared, statistics)
        self._exact = exact_pixels(prepared, self._plan, preprocessing)
        placed = place(prepared, ONNXRUNTIME)
        self._layers: dict[str, Layer] = find_layers(prepared.graph, frozenset(placed.quantized))
        self._kept = user_choice(prepared.graph, settings.keep_float)
        self._fitting, held_out = split_samples(samples, multiply_adds_of(prepared))
        fast = settings.effort == "fast"
        self._judge = Judge(runtime, prepared, held_out, threads) if held_out and not fast else None
        self._contest = Contest(self._judge)
        self._taken: list[str] = []

    def run(self) -> DefaultFit:
        ranges = self._choose_ranges()
        noise: tuple[NoiseShare, ...] = ()
        if self._judge is not None:
            self._align_channels(self._grids(ranges))
            ranges, noise = self._quieten(self._judge, ranges)
        grids = self._grids(ranges)
        integers = self._choose_integers(grids)
        return DefaultFit(
            self._graph,
            Fitted(grids, integers),
            self._kept,
            noise,
            tuple(self._contest.judged),
            "; ".join(self._taken),
            self._contest.sqnr_db,
        )

    def _choose_ranges(self) -> dict[str, Range]:
        wanted = self._settings.range_estimator
        if wanted != "auto":
            self._taken.append(f"ranges {wanted}")
            return estimate_ranges(self._statistics, self._plan, wanted)
        if self._judge is None:
            name = LEAST_ERROR if len(self._fitting) > 2 and has_histograms(self._statistics) else ALL_SEEN
            self._taken.append(f"ranges {name}")
            return estimate_ranges(self._statistics, self._plan, name)
        names = (ALL_SEEN, LEAST_ERROR) if has_histograms(self._statistics) else (ALL_SEEN,)
        options = {name: estimate_ranges(self._statistics, self._plan, name) for name in names}
        made = {}
        for name, ranges in options.items():
            grids = self._grids(ranges)
            made[f"ranges {name}"] = self._graph, grids, self._quick_integers(grids)
        best = self._take(made)
        return options[best.removeprefix("ranges ")]

    def _align_channels(self, grids: Mapping[str, QParams]) -> None:
        """Graph, layers and statistics change together where it wins; ranges stay as they are."""
        if not self._settings.alignment:
            return
        made = {AS_IS: (self._graph, grids, self._quick_integers(grids))}
        taken: dict[str, tuple[Aligned, dict[str, Layer]]] = {}
        for strength in STRENGTHS:
            aligned = align(self._graph, self._layers, grids, self._statistics, strength)
            if aligned.values:
                layers = find_layers(aligned.graph.graph, frozenset(self._layers))
                integers = self._quick_integers(grids, layers, aligned.statistics)
                made[strength.name] = aligned.graph, grids, integers
                taken[strength.name] = aligned, layers
        best = self._take(made, known=self._contest.sqnr_db is not None, by_db=WINS_BY_DB)
        if best in taken:
            aligned, self._layers = taken[best]
            self._graph, self._statistics = aligned.graph, aligned.statistics

    def _quieten(self, judge: Judge, ranges: dict[str, Range]) -> tuple[dict[str, Range], tuple[NoiseShare, ...]]:
        """Better ranges for the loudest values where that wins; what stays loud is kept in float."""
        grids = self._grids(ranges)
        meter = NoiseMeter(judge, self._graph, self._plan)
        table = meter.table(grids, partial(self._on_progress, "noise of each value"))
        extremes = estimate_ranges(self._statistics, self._plan, ALL_SEEN)
        renewed = dict(ranges)
        quieter = better_ranges(meter, table, renewed, extremes, self._settings)
        if renewed != ranges:
            after = self._grids(renewed)
            made = {
                AS_IS: (self._graph, grids, self._quick_integers(grids)),
                "ranges by the output": (self._graph, after, self._quick_integers(after)),
            }
            if self._take(made, known=self._contest.sqnr_db is not None) == "ranges by the output":
                ranges, table = renewed, quieter
        loud = keep_loud_in_float(self._graph, self._plan, table, self._settings)
        self._kept = {**loud, **self._kept}
        return ranges, noise_shares(self._graph, table, loud, self._plan)

    def _choose_integers(self, grids: Mapping[str, QParams]) -> Integers:
        if self._judge is None:
            return self._quick_integers(grids)
        made: dict[str, Integers] = {}
        moments = each_with_moments(
            self._runtime, self._graph, self._layers, self._fitting, seed=self._settings.seed, threads=self._threads
        )
        for done, (layer, ways) in enumerate(fit_weights(moments, grids, self._settings)):
            for name, integers in ways.items():
                made.setdefault(name, {})[layer.node] = integers
            self._on_progress("rounding weights", done + 1, len(self._layers))
        best = self._take({name: (self._graph, grids, integers) for name, integers in made.items()})
        if not self._settings.bias_correction:
            return made[best]
        corrected = self._corrected_in_sequence(grids, made[best])
        if corrected is None:
            return made[best]
        name = f"{best}, bias again in sequence"
        entries = {best: (self._graph, grids, made[best]), name: (self._graph, grids, corrected)}
        return corrected if self._take(entries, known=True) == name else made[best]

    def _corrected_in_sequence(self, grids: Mapping[str, QParams], integers: Integers) -> Integers | None:
        """None, and said so, for a graph with a node that cannot run alone."""
        placement = place(self._graph, ONNXRUNTIME, self._kept)
        plan = plan_tensors(self._graph, placement)
        layers = {name: self._layers[name] for name in placement.quantized if name in self._layers}
        rounded = {name: grids[name] for name in plan.gridded if name in grids}
        correction = SequentialBiasCorrection(
            self._runtime, self._graph, layers, integers, rounded, plan, threads=self._threads
        )
        try:
            return correction.run(
                np.concatenate(self._fitting[: affordable_samples(self._graph)]),
                partial(self._on_progress, "biases in sequence"),
            )
        except (WorkbenchError, MemoryError) as error:  # shapes computed in the graph add up when samples are joined
            words = error.message if isinstance(error, WorkbenchError) else "it wants more memory than there is"
            self._contest.judged.append(Candidate("bias in sequence", None, f"a node does not run alone: {words}"))
            return None

    def _quick_integers(
        self,
        grids: Mapping[str, QParams],
        layers: Mapping[str, Layer] | None = None,
        statistics: Mapping[str, TensorStatistics] | None = None,
    ) -> Integers:
        """Nearest, biases corrected by the means of the calibration: what costs nothing."""
        layers = self._layers if layers is None else layers
        if len(self._fitting) > 2 and self._settings.bias_correction:
            return correct_by_channel_means(layers, grids, statistics or self._statistics, self._settings)
        return round_all_to_nearest(layers, grids, self._settings)

    def _grids(self, ranges: Mapping[str, Range]) -> dict[str, QParams]:
        return {**grids_on(ranges, self._plan, self._settings), **self._exact}

    def _take(self, entries: Mapping[str, Entry], *, known: bool = False, by_db: float = CLEARLY_DB) -> str:
        placement = place(self._graph, ONNXRUNTIME, self._kept)
        best = self._contest.best(placement, entries, known=known, by_db=by_db)
        if not (known and best == next(iter(entries))):
            self._taken.append(best)
        return best
