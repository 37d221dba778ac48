"""What only the durable executor does: fail with a reference, lose nothing, clean up."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from app.jobs.durable import DurableExecutor
from app.jobs.queue import JobQueue
from app.jobs.supervision import adopt_orphans, fail_lost_runs
from app.storage.ids import new_id
from app.storage.tables import Model, Run, StageEvent, StageMemo
from tests.support.durable import DurableBench, durable_bench

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DurableBench]:
    with durable_bench(tmp_path_factory.mktemp("durable")) as bench:
        yield bench


def succeed(executor: DurableExecutor, **options: Any) -> Any:
    return executor.run("misbehave", files={}, params={"how": "succeed"}, **options)


def test_our_own_mistake_is_a_failed_run_with_a_reference(bench: DurableBench, capsys: pytest.CaptureFixture[str]) -> None:
    def body(_executor: DurableExecutor) -> None:
        raise ZeroDivisionError("secret /data/blobs/x")

    run = bench.run(body)
    assert run.state == "failed"
    assert run.error is not None
    assert run.error["code"] == "internal"
    assert "ZeroDivisionError" in run.error["message"]
    assert "secret" not in str(run.error)
    reference = run.error["message"].rsplit(" ", 1)[1].rstrip(".")
    assert reference in capsys.readouterr().out  # the log has the rest


def test_files_are_blobs_with_rows_and_the_work_folder_is_empty(bench: DurableBench) -> None:
    run = bench.run(lambda executor: {name: file.sha256 for name, file in succeed(executor).files.items()})
    assert run.result is not None
    report = bench.context.blobs.verify(bench.context.database)
    assert report.ok
    assert report.extra == ()
    assert all(bench.context.blobs.exists(sha256) for sha256 in run.result["value"].values())
    assert [path for path in bench.context.work.rglob("*") if path.is_file()] == []


def test_a_memo_whose_files_are_gone_is_computed_again(bench: DurableBench) -> None:
    first = bench.run(lambda executor: succeed(executor).files["text.txt"].sha256)
    assert first.result is not None
    bench.context.blobs.delete(first.result["value"])
    again = bench.run(lambda executor: succeed(executor).files["text.txt"].path.read_text())
    assert again.result == {"value": "text.txt"}


def test_a_known_result_says_so_and_is_used(bench: DurableBench) -> None:
    for _ in range(2):
        run = bench.run(lambda executor: succeed(executor, label="Known").seconds)
    with bench.context.database.read() as session:
        messages = session.scalars(select(StageEvent.message).where(StageEvent.run_id == run.id)).all()
        memo = session.scalars(select(StageMemo).where(StageMemo.stage == "misbehave")).one()
    assert "Known from an earlier run" in messages
    assert memo.used_at > memo.created_at


def test_a_run_whose_job_is_gone_is_failed_and_its_model_refused(bench: DurableBench) -> None:
    """As after too many dead workers: the page must not say "running" for ever."""
    database = bench.context.database
    sha256 = bench.run(lambda executor: succeed(executor).files["text.txt"].sha256).result["value"]  # type: ignore[index]
    with database.write() as session:
        model = Model(id=new_id(), owner_id="alice", name="m", upload_sha256=sha256, size_bytes=1)
        session.add(model)
        run = Run(id=new_id(), owner_id="alice", kind="inspect-model", subject_id=model.id, state="running")
        session.add(run)
    queue = JobQueue(database)
    assert fail_lost_runs(database, queue) == [run.id]
    assert fail_lost_runs(database, queue) == []
    queue.close()
    assert bench.get(run.id).error["code"] == "run.lost"  # type: ignore[index]
    with database.read() as session:
        assert session.get_one(Model, model.id).state == "refused"


def test_nobody_is_an_orphan_while_its_worker_lives(bench: DurableBench) -> None:
    def body(executor: DurableExecutor) -> int:
        succeed(executor)
        with ThreadPoolExecutor(1) as supervisor:  # not a part of the workflow
            return supervisor.submit(adopt_orphans, bench.context.database).result()

    assert bench.run(body).result == {"value": 0}
