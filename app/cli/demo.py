"""The example from start to end, step by step; what an earlier demo has finished is not done again."""

from __future__ import annotations

import threading

from app.cli.server import Server
from app.engine.quantize.recipe import Method, QuantizationSettings
from app.errors import WorkbenchError
from app.services import example, projects, runs
from app.services.context import Workbench, open_workbench
from app.services.views import ProjectView, RunView
from app.services.wording import duration
from app.settings import Settings

POLL_S = 0.4
START_S = 60.0
STEPS: tuple[Method, ...] = ("default", "accuracy-aware")
VARIANT_OF = {"default": "int8-default", "accuracy-aware": "int8-accuracy-aware"}
MAX_DROP = 1.0


class DemoStoppedError(Exception):
    """The server ends: leave the run as it is, the queue keeps it."""


class DemoThread(threading.Thread):
    """Uses the services beside the running server, as its pages do."""

    def __init__(self, settings: Settings, server: Server, url: str, *, exit_when_done: bool) -> None:
        super().__init__(name="demo", daemon=True)
        self.error: WorkbenchError | None = None
        self._settings, self._server, self._url = settings, server, url
        self._exit_when_done = exit_when_done
        self._stopping = threading.Event()

    def end(self) -> None:
        self._stopping.set()
        self.join()

    def run(self) -> None:
        try:
            self._wait_for_server()
            wb = open_workbench(self._settings)
            try:
                project = self._finish_example(wb)
            finally:
                wb.close()
            print(f"\n{project.sentence}\n{project.detail}".rstrip(), flush=True)
            print(f"\nComparison: {self._url}/projects/{project.id}/compare", flush=True)
        except DemoStoppedError:
            return
        except WorkbenchError as error:
            self.error = error
            self._server.stop()
        if self._exit_when_done:
            self._server.stop()

    def _wait_for_server(self) -> None:
        while not self._server.started:
            self._pause()

    def _pause(self) -> None:
        if self._stopping.wait(POLL_S):
            raise DemoStoppedError

    def _finish_example(self, wb: Workbench) -> ProjectView:
        print("Loading the example", flush=True)
        project = example.load_example(wb, START_S)
        if project.original.evaluation is None:
            self._follow(wb, _open_run(wb, project, None) or runs.start_baseline(wb, project.id))
        for method in STEPS:
            if not any(variant.method == VARIANT_OF[method] for variant in project.variants):
                settings = QuantizationSettings(method=method, max_drop=MAX_DROP)
                self._follow(wb, _open_run(wb, project, method) or runs.start_optimize(wb, project.id, settings))
        return projects.get_project(wb, project.id)

    def _follow(self, wb: Workbench, run: RunView) -> None:
        """Print each stage as it begins, until the run is over.

        Raises:
            WorkbenchError: why the run failed, or `run.cancelled`.
        """
        print(run.title, flush=True)
        told = 0
        while run.is_open:
            begun = [stage for stage in run.stages if stage.state != "todo"]
            for stage in begun[told:]:
                print(f"  {run.percent:3d} %  {stage.label}", flush=True)
            told = len(begun)
            self._pause()
            run = runs.get_run(wb, run.id)
        if run.error is not None:
            raise WorkbenchError(run.error.code, run.error.message, where=run.error.where, hint=run.error.hint)
        if run.state != "succeeded":
            raise WorkbenchError("run.cancelled", "The run was cancelled.", where=run.title)
        print(f"  100 %  {run.sentence} ({duration(run.seconds_gone)})", flush=True)


def _open_run(wb: Workbench, project: ProjectView, method: Method | None) -> RunView | None:
    """The baseline (no method) or the optimization that an earlier demo left in the queue."""
    for run in runs.list_runs(wb, project.id):
        is_wanted = run.kind == "baseline" if method is None else run.settings is not None and run.settings.method == method
        if is_wanted and run.is_open:
            return run
    return None
