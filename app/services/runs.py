"""Runs: start, plan, follow, cancel."""

from __future__ import annotations

from collections.abc import Sequence

from app.engine.quantize.recipe import QuantizationSettings
from app.services.context import Workbench
from app.services.views import EventView, PlanView, RunState, RunView


def start_baseline(wb: Workbench, project_id: str) -> RunView:
    """Measure the original (again). Raises NotFoundError `project.not_found`."""
    raise NotImplementedError


def plan_optimize(wb: Workbench, project_id: str, settings: QuantizationSettings) -> PlanView:
    """What would happen and how long it takes. Raises what `start_optimize` raises."""
    raise NotImplementedError


def start_optimize(wb: Workbench, project_id: str, settings: QuantizationSettings) -> RunView:
    """Quantize in the background.

    Raises:
        NotFoundError: `project.not_found`.
        WorkbenchError: `optimize.float16`, `optimize.already_quantized`, saying what is possible;
            `settings.range_estimator`.
    """
    raise NotImplementedError


def start_comparison(wb: Workbench, project_id: str, variant_ids: Sequence[str]) -> RunView:
    """Measure these variants in turns; the first is the reference.

    Raises WorkbenchError `comparison.too_few`, NotFoundError `variant.not_found`.
    """
    raise NotImplementedError


def cancel_run(wb: Workbench, run_id: str) -> RunView:
    """Stop it; a finished run stays as it is."""
    raise NotImplementedError


def get_run(wb: Workbench, run_id: str) -> RunView:
    """Raises NotFoundError `run.not_found`."""
    raise NotImplementedError


def list_runs(wb: Workbench, project_id: str | None = None) -> tuple[RunView, ...]:
    """Newest first, without logs; of one project, or all of the user."""
    raise NotImplementedError


def position(wb: Workbench, run_id: str) -> tuple[int, RunState]:
    """(last event id, state): changes exactly when there is something new to show. Cheap, for SSE."""
    raise NotImplementedError


def events_after(wb: Workbench, run_id: str, event_id: int, limit: int = 500) -> tuple[EventView, ...]:
    """The events of a run after this one, in order."""
    raise NotImplementedError
