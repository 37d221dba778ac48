"""`python -m tests.support.gated_worker`: a real worker whose `compare` runs are three gated stages."""

from __future__ import annotations

import sys

from app.engine.stages.__main__ import bind_to_parent
from app.jobs import workflows
from app.jobs.durable import DurableExecutor, WorkerContext
from app.jobs.workflows import Commit
from app.settings import Settings
from app.storage.tables import Comparison, Run
from app.worker.main import run_worker

STAGES = 3


def three_stages(_context: WorkerContext, executor: DurableExecutor, run: Run) -> Commit:
    labels = [f"Stage {number}" for number in range(1, STAGES + 1)]
    executor.plan(labels)
    total = 0
    for number, label in enumerate(labels, 1):
        params = {"number": number, **run.params}
        outcome = executor.run("gated", files={}, params=params, label=label, memo=False, exclusive=number == STAGES)
        total += int(outcome.files["number.txt"].path.read_text())

    def commit(session):
        session.add(Comparison(project_id=run.project_id, run_id=run.id, data={"total": total}))
        return {"total": total}

    return commit


if __name__ == "__main__":
    if len(sys.argv) > 1:
        bind_to_parent(int(sys.argv[1]))
    workflows.PIPELINES["compare"] = three_stages
    run_worker(Settings(), package="tests.support.stages")
