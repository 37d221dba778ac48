"""What the engine relies on, for every runtime. A new runtime joins by its name in RUNTIMES."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from app.engine.runtimes import RUNTIMES, get_runtime
from app.engine.runtimes.base import Runtime
from app.errors import WorkbenchError
from tests.support.model_builder import custom_op_classifier, save, tiny_classifier

ABSOLUTE_PATH = re.compile(r"(?<!\w)/\w")


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    return get_runtime(request.param)


def images(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, 3, 32, 32), np.float32)


def test_unknown_runtime_names_the_known_ones() -> None:
    with pytest.raises(WorkbenchError, match="onnxruntime") as refused:
        get_runtime("abacus")
    assert refused.value.code == "runtime.unknown"


def test_says_what_the_device_is(runtime: Runtime) -> None:
    found = runtime.capabilities()
    assert found.runtime == runtime.name
    assert found.version
    assert found.cpu
    assert found.cores >= 1
    assert found.memory_bytes > 2**28
    assert "Python" in found.system


def test_session_knows_its_tensors(runtime: Runtime) -> None:
    session = runtime.open(tiny_classifier().SerializeToString())
    assert [(entry.name, entry.dtype, entry.shape) for entry in session.inputs] == [("image", "float32", ("batch", 3, 32, 32))]
    assert [(entry.name, entry.dtype, entry.shape) for entry in session.outputs] == [("scores", "float32", ("batch", 10))]
    fixed = runtime.open(tiny_classifier(batch=4, float16=True).SerializeToString())
    assert (fixed.inputs[0].dtype, fixed.inputs[0].shape[0]) == ("float16", 4)


def test_file_and_bytes_give_the_same_scores(runtime: Runtime, tmp_path: Path) -> None:
    model = tiny_classifier()
    path = save(model, tmp_path / "model.onnx")
    feeds = {"image": images(2)}
    from_file, from_bytes = runtime.open(path).run(feeds), runtime.open(model.SerializeToString()).run(feeds, ["scores"])
    np.testing.assert_array_equal(from_file[0], from_bytes[0])


@pytest.mark.parametrize(("threads", "spin"), [(1, True), (2, True), (2, False)])
def test_scores_do_not_depend_on_threads_or_optimization(runtime: Runtime, threads: int, spin: bool) -> None:
    model = tiny_classifier(width=32).SerializeToString()
    feeds = {"image": images(3)}
    plain = runtime.open(model, optimize=False).run(feeds)[0]
    fast = runtime.open(model, threads=threads, spin=spin).run(feeds)[0]
    np.testing.assert_allclose(fast, plain, rtol=1e-4, atol=1e-4)  # other summation orders in float32


def test_one_session_serves_several_threads(runtime: Runtime) -> None:
    session = runtime.open(tiny_classifier().SerializeToString())
    inputs = [images(1, seed) for seed in range(24)]
    alone = [session.run({"image": x})[0] for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda x: session.run({"image": x})[0], inputs))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("content", [b"", b"not a model", tiny_classifier().SerializeToString()[:700]])
def test_broken_file_is_refused_without_server_paths(runtime: Runtime, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "upload.onnx"
    path.write_bytes(content)
    for source in (path, content):
        with pytest.raises(WorkbenchError) as refused:
            runtime.open(source)
        assert refused.value.code == "runtime.cannot_open"
        assert runtime.name in refused.value.message
        assert str(tmp_path) not in str(refused.value)
        assert not ABSOLUTE_PATH.search(str(refused.value))


def test_missing_file_is_refused_without_server_paths(runtime: Runtime, tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError) as refused:
        runtime.open(tmp_path / "gone.onnx")
    assert refused.value.code == "runtime.cannot_open"
    assert not ABSOLUTE_PATH.search(str(refused.value))


def test_unknown_operator_is_named(runtime: Runtime) -> None:
    with pytest.raises(WorkbenchError, match="Twirl") as refused:
        runtime.open(custom_op_classifier().SerializeToString())
    assert refused.value.code == "runtime.cannot_open"


def test_wrong_input_is_refused_with_its_shape(runtime: Runtime) -> None:
    session = runtime.open(tiny_classifier().SerializeToString())
    wrong = [{"image": images(1)[:, :2]}, {"image": images(1).astype(np.float64)}, {}, {"picture": images(1)}]
    for feeds in wrong:
        with pytest.raises(WorkbenchError) as refused:
            session.run(feeds)
        assert refused.value.code == "runtime.run_failed"
        assert not ABSOLUTE_PATH.search(str(refused.value))
    with pytest.raises(WorkbenchError) as refused:
        session.run({"image": images(1)}, ["no such output"])
    assert refused.value.code == "runtime.run_failed"


def test_failure_inside_the_graph_does_not_show_the_build_machine(runtime: Runtime) -> None:
    session = runtime.open(tiny_classifier(height=None, image_width=None).SerializeToString())
    with pytest.raises(WorkbenchError) as refused:
        session.run({"image": np.zeros((1, 3, 0, 1), np.float32)})
    assert not ABSOLUTE_PATH.search(str(refused.value))
