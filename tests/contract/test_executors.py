"""What a pipeline may rely on, whichever executor runs its stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from sqlalchemy import select

from app.errors import WorkbenchError
from app.jobs.events import Event
from app.jobs.executor import StageExecutor
from app.jobs.local import LocalExecutor
from app.settings import Settings
from app.storage.tables import StageEvent
from tests.support.durable import DurableBench, durable_bench

PACKAGE = "tests.support.stages"


class Bench(Protocol):
    def run(self, body: Callable[[StageExecutor], Any]) -> Any:
        """The value of `body`, JSON; a WorkbenchError that it raised is raised here."""

    def events(self) -> list[tuple[str, str]]:
        """(kind, stage) of everything said so far."""


class Local:
    def __init__(self, folder: Path) -> None:
        self._events: list[Event] = []
        self._executor = LocalExecutor(folder, Settings(cores=1), self._events.append, package=PACKAGE)

    def run(self, body: Callable[[StageExecutor], Any]) -> Any:
        return body(self._executor)

    def events(self) -> list[tuple[str, str]]:
        return [(event.kind, event.stage) for event in self._events]


class Durable:
    def __init__(self, bench: DurableBench) -> None:
        self._bench = bench

    def run(self, body: Callable[[StageExecutor], Any]) -> Any:
        run = self._bench.run(body)
        if run.error is not None:
            raise WorkbenchError.from_dict(run.error)
        assert run.result is not None
        return run.result["value"]

    def events(self) -> list[tuple[str, str]]:
        with self._bench.context.database.read() as session:
            return [(event.kind, event.stage) for event in session.scalars(select(StageEvent).order_by(StageEvent.id))]


@pytest.fixture(scope="module", params=["local", pytest.param("durable", marks=pytest.mark.slow)])
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "local":
        yield Local(folder)
    else:
        with durable_bench(folder) as durable:
            yield Durable(durable)


def misbehave(executor: StageExecutor, how: str = "succeed", **options: Any) -> Any:
    return executor.run("misbehave", files={}, params={"how": how}, **options)


def test_a_result_and_its_files(bench: Bench) -> None:
    def body(executor: StageExecutor) -> Any:
        outcome = misbehave(executor)
        assert outcome.seconds > 0
        assert outcome.peak_memory_mb > 0
        return {name: artifact.path.read_text() for name, artifact in outcome.files.items()}

    assert bench.run(body) == {"text.txt": "text.txt", "a.txt": "a.txt", "b.txt": "b.txt"}


def test_a_file_of_one_stage_is_the_input_of_the_next(bench: Bench) -> None:
    def body(executor: StageExecutor) -> Any:
        first = misbehave(executor)
        outcome = executor.run("join", files={"parts": [first.files["a.txt"], first.files["b.txt"]], "extra": None}, params={})
        return outcome.result["joined"]

    assert bench.run(body) == "a.txtb.txt"


def test_a_repeated_computation_is_known_and_a_measurement_is_not(bench: Bench) -> None:
    def body(executor: StageExecutor) -> Any:
        pids = [
            executor.run("who", files={}, params={"salt": "a"}, memo=memo).result["pid"] for memo in (True, True, False, False)
        ]
        pids.append(executor.run("who", files={}, params={"salt": "b"}).result["pid"])
        return pids

    first, second, *others = bench.run(body)
    assert first == second
    assert len({first, *others}) == 4


@pytest.mark.parametrize(
    ("how", "code"), [("refuse", "model.empty"), ("segfault", "stage.crashed"), ("make_a_mistake", "stage.failed")]
)
def test_a_refusal_ends_the_run_with_its_own_words(bench: Bench, how: str, code: str) -> None:
    with pytest.raises(WorkbenchError) as caught:
        bench.run(lambda executor: misbehave(executor, how))
    assert caught.value.code == code
    assert bench.events()[-1] == ("failed", "misbehave")


def test_a_pipeline_may_go_on_after_a_refusal(bench: Bench) -> None:
    def body(executor: StageExecutor) -> Any:
        try:
            misbehave(executor, "refuse")
        except WorkbenchError as error:
            return [error.code, misbehave(executor).result["threads"] > 0]

    assert bench.run(body) == ["model.empty", True]


def test_events_tell_the_story(bench: Bench) -> None:
    before = len(bench.events())

    def body(executor: StageExecutor) -> None:
        executor.plan(["One", "Two"])
        misbehave(executor, label="One", memo=False)
        misbehave(executor, label="Two", memo=False, exclusive=True)

    bench.run(body)
    story = [event for event in bench.events()[before:] if event[0] != "progress"]
    expected = [("planned", "One"), ("planned", "Two")]
    expected += [(kind, label) for label in ("One", "Two") for kind in ("started", "log", "finished")]
    assert story == expected


def test_the_wall_clock_ends_a_stage(bench: Bench) -> None:
    with pytest.raises(WorkbenchError) as caught:
        bench.run(lambda executor: misbehave(executor, "spin", wall_seconds=0.3))
    assert caught.value.code == "stage.timeout"
