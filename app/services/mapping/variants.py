"""Variants with their measurements and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from app.engine.accuracy_aware.verdict import LimitVerdict, judge_limit
from app.engine.benchmark.results import GridResult, PairedResult, PairedVariant
from app.engine.benchmark.verdict import judge_speed
from app.engine.quantize.recipe import DropType, QuantizationSettings, Recipe
from app.engine.tasks.results import Evaluation
from app.services.done import effort_seconds
from app.services.loading import ProjectRows
from app.services.mapping.parsed import parsed
from app.services.run_sentences import limit_of
from app.services.settings_words import differences
from app.services.views import Method, VariantView
from app.services.wording import count
from app.storage.tables import Comparison, Measurement, Variant

TWIN = "fp32-rewritten"
"""Name of that entry in the paired result of an optimization (app/jobs/pipelines.py)."""


def variant_views(rows: ProjectRows) -> tuple[VariantView, ...]:
    """FP32 first, then newest first."""
    if not rows.variants:
        return ()
    original = rows.variants[0]
    own = {comparison.run_id: comparison for comparison in rows.comparisons}
    reference = _evaluation(rows.measurements, original.id)
    newest = newest_comparisons(rows.comparisons, original.id, [variant.id for variant in rows.variants])
    return tuple(
        replace(
            _variant_view(variant, original, rows.measurements, newest.get(variant.id), reference, rows.project.max_drop),
            twin=_twin(own.get(variant.run_id or ""), original.id),
            seconds=effort_seconds(rows.results.get(variant.run_id or "")),
        )
        for variant in rows.variants
    )


def newest_comparisons(
    comparisons: Sequence[Comparison], original_id: str, variant_ids: Sequence[str]
) -> dict[str, PairedResult]:
    """For each variant the newest comparison with the original as reference that contains it."""
    missing, found = set(variant_ids), dict[str, PairedResult]()
    for comparison in comparisons:
        names = [entry["name"] for entry in comparison.data["variants"]]
        wanted = missing.intersection(names)
        if not wanted or names[0] != original_id:
            continue
        paired = parsed(PairedResult, comparison.id, comparison.data)
        found.update(dict.fromkeys(wanted, paired))
        missing -= wanted
    return found


def find_twin(paired: PairedResult) -> PairedVariant | None:
    """FP32 with the rewrites of the new file, when it was measured with it."""
    return next((entry for entry in paired.variants if entry.name == TWIN), None)


def _twin(comparison: Comparison | None, original_id: str) -> PairedVariant | None:
    names = [entry["name"] for entry in comparison.data["variants"]] if comparison else []
    if comparison is None or TWIN not in names or names[0] != original_id:
        return None
    return find_twin(parsed(PairedResult, comparison.id, comparison.data))


def judge(
    evaluation: Evaluation | None, reference: Evaluation | None, max_drop: float, drop_type: DropType = "absolute"
) -> LimitVerdict | None:
    """Against a limit; without labels every disagreement counts as lost, and the reference has everything right."""
    if evaluation is None or evaluation.top1_drop is None:
        return None
    drop = evaluation.top1_drop
    correct = reference.top1_correct if reference is not None else None
    return judge_limit(drop, drop.n if correct is None else correct, max_drop, drop_type)


def _variant_view(
    row: Variant,
    original: Variant,
    measurements: Mapping[tuple[str, str], Measurement],
    comparison: PairedResult | None,
    reference: Evaluation | None,
    max_drop: float,
) -> VariantView:
    evaluation = _evaluation(measurements, row.id)
    grid = measurements.get((row.id, "grid"))
    paired = next((entry for entry in comparison.variants if entry.name == row.id), None) if comparison else None
    recipe = None if row.recipe is None else parsed(Recipe, row.id, row.recipe)
    is_original = row.id == original.id
    return VariantView(
        id=row.id,
        project_id=row.project_id,
        run_id=row.run_id or "",
        method=cast("Method", row.method),
        name=row.name,
        sub=subtitle(recipe),
        size_bytes=row.size_bytes,
        size_ratio=row.size_bytes / original.size_bytes,
        created_at=row.created_at,
        evaluation=evaluation,
        grid=None if grid is None else parsed(GridResult, grid.id, grid.data),
        paired=paired,
        paired_setting=comparison.setting if comparison else None,
        paired_rounds=comparison.rounds if comparison else 0,
        speed=None if paired is None or is_original else judge_speed(paired.speedup),
        limit=None if is_original else judge(evaluation, reference, max_drop),
        recipe=recipe,
    )


def subtitle(recipe: Recipe | None) -> str:
    """One line below the name: what was asked for."""
    if recipe is None:
        return "original"
    settings = recipe.settings
    parts = [f"preset {settings.preset}", f"{count(len(recipe.calibration_samples))} samples"]
    parts += differences(replace(settings, preset=QuantizationSettings().preset))
    return ", ".join([f"limit {limit_of(settings)}", *parts] if settings.method == "accuracy-aware" else parts)


def _evaluation(measurements: Mapping[tuple[str, str], Measurement], variant_id: str) -> Evaluation | None:
    row = measurements.get((variant_id, "evaluation"))
    return None if row is None else parsed(Evaluation, row.id, row.data)
