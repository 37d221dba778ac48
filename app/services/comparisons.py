"""Variants of a project side by side."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from app.engine.tasks.results import Evaluation
from app.engine.tasks.verdicts import Verdicts, load_verdicts, summarize
from app.services import lookup
from app.services.comparison_rows import Differences, comparison_rows
from app.services.comparison_sentences import comparison_saying
from app.services.context import Workbench
from app.services.loading import ProjectRows, load_projects
from app.services.mapping.variants import variant_views
from app.services.relative import divide
from app.services.views import ComparisonView, VariantView
from app.storage.tables import Comparison

PREDICTIONS = "predictions.npz"


def compare(wb: Workbench, project_id: str, variant_ids: Sequence[str] = (), against: str = "") -> ComparisonView:
    """Compare these variants (all when empty) against one of them (the original when empty).

    Raises NotFoundError `project.not_found`, `variant.not_found`.
    """
    with wb.database.read() as session:
        project = lookup.get_project_row(session, wb.user_id, project_id)
        rows = load_projects(session, [project])[project.id]
    every = variant_views(rows)
    known = {variant.id: variant for variant in every}
    for asked in [*variant_ids, *([against] if against else [])]:
        if asked not in known:
            raise lookup.not_in_project(asked)
    reference = known[against] if against else every[0]
    wanted = set(variant_ids) or set(known)
    others = tuple(variant for variant in every if variant.id in wanted and variant.id != reference.id)
    differences = [_differences(wb, rows, reference, variant) for variant in others]
    together = _measured_together(rows.comparisons, [reference, *others])
    saying = comparison_saying(reference, others, differences, project.max_drop)
    return ComparisonView(
        project_id=project_id,
        reference=reference,
        variants=(reference, *others),
        rows=comparison_rows(reference, others, differences, project.max_drop),
        sentence=saying.sentence,
        detail=saying.detail,
        measured_together=together is not None,
        measured_at=together or (rows.comparisons[0].created_at if rows.comparisons else None),
    )


def _differences(wb: Workbench, rows: ProjectRows, reference: VariantView, variant: VariantView) -> Differences:
    """Against the original what was measured, as it is; against another reference derived from both (`relative.divide`)."""
    ours, theirs = variant.paired, reference.paired
    if reference.method == "fp32":
        speedup, latency = (ours.speedup, ours.latency_ratio) if ours else (None, None)
        evaluation = variant.evaluation
    else:
        speedup = divide(ours.speedup, theirs.speedup) if ours and theirs else None
        latency = divide(ours.latency_ratio, theirs.latency_ratio) if ours and theirs else None
        evaluation = _evaluation_against(_verdicts(wb, rows, variant), _verdicts(wb, rows, reference))
    if evaluation is None:
        return Differences(speedup, latency, None, None, None)
    top5 = evaluation.top5_drop if evaluation.has_labels else None
    return Differences(speedup, latency, evaluation.top1_drop, top5, evaluation)


def _evaluation_against(ours: Verdicts | None, theirs: Verdicts | None) -> Evaluation | None:
    """Image by image, from the stored verdicts of both."""
    if ours is None or theirs is None or len(ours.top) != len(theirs.top):
        return None
    return summarize(ours, theirs, 0.0)


def _verdicts(wb: Workbench, rows: ProjectRows, variant: VariantView) -> Verdicts | None:
    measurement = rows.measurements.get((variant.id, "evaluation"))
    sha256 = None if measurement is None else measurement.files.get(PREDICTIONS)
    return None if sha256 is None else load_verdicts(wb.blobs.path(sha256))


def _measured_together(comparisons: Sequence[Comparison], shown: Sequence[VariantView]) -> datetime | None:
    """When one paired comparison, the newest of each of these variants, contains them all; else None."""
    ids = {variant.id for variant in shown}
    for comparison in comparisons:
        names = {entry["name"] for entry in comparison.data["variants"]}
        if ids <= names:
            return comparison.created_at
        if ids & names:
            return None  # some of them were measured anew, without the others
    return None
