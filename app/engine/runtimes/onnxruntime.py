"""onnxruntime on the CPU.

Session settings, measured in placement.md §7: all optimizations (a lower level is up to five times slower), threads set
explicitly (more threads than cores are up to six times slower), worker threads that stop spinning when the last run ends: with
onnxruntime's default they spin on for some 30 ms and hold a core that the next session needs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # the stock wheel reports home otherwise; must be set before the import

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from app.engine.graph.description import TensorInfo
from app.engine.runtimes.base import Array, Capabilities
from app.engine.runtimes.device import read_device
from app.errors import WorkbenchError

LOG_FATAL = 4
"""A refusal reaches the caller as an exception; onnxruntime need not print it as well."""

ORT_ERRORS: tuple[type[Exception], ...] = (
    *(
        error
        for error in vars(ort_state).values()
        if isinstance(error, type) and issubclass(error, Exception)  # they have no common base
    ),
    RuntimeError,
    ValueError,
)
DTYPES = {
    "float": "float32",
    "double": "float64",
    "float16": "float16",
    "bfloat16": "bfloat16",
    "int8": "int8",
    "uint8": "uint8",
    "int16": "int16",
    "uint16": "uint16",
    "int32": "int32",
    "uint32": "uint32",
    "int64": "int64",
    "uint64": "uint64",
    "bool": "bool",
    "string": "str",
}
"""onnxruntime's name inside `tensor(…)` -> numpy's."""


class OnnxRuntime:
    name = "onnxruntime"

    def capabilities(self) -> Capabilities:
        device = read_device()
        return Capabilities(
            runtime=self.name,
            version=str(ort.__version__),
            cpu=device.cpu,
            cores=device.cores,
            instruction_sets=device.instruction_sets,
            memory_bytes=device.memory_bytes,
            system=device.system,
        )

    def open(
        self, model: Path | bytes, *, threads: int = 1, optimize: bool = True, spin: bool = True, lean: bool = False
    ) -> OrtSession:
        """A session on `threads` threads; see `Runtime.open`.

        Raises:
            WorkbenchError: `runtime.cannot_open`.
            MemoryError: the runtime could not allocate the model.
        """
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = LOG_FATAL
        options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spin else "0")
        options.add_session_config_entry("session.force_spinning_stop", "1")
        if lean:  # the default order runs the whole graph before the outputs that were added to it
            options.execution_order = ort.ExecutionOrder.PRIORITY_BASED
            options.enable_mem_pattern = False
        if not optimize:
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        source = model if isinstance(model, bytes) else str(model)
        try:
            return OrtSession(ort.InferenceSession(source, options, providers=["CPUExecutionProvider"]))
        except ORT_ERRORS as error:
            _raise_if_out_of_memory(error)
            raise WorkbenchError(
                "runtime.cannot_open",
                f"onnxruntime {ort.__version__} cannot open this model: {_own_words(error, model)}",
                hint="Check the file with onnx.checker, and that this runtime knows its operators and opset.",
            ) from error


class OrtSession:
    """A loaded model. `run` may be called from several threads at once."""

    def __init__(self, session: ort.InferenceSession) -> None:
        self._session = session
        self.inputs: tuple[TensorInfo, ...] = tuple(_tensor_info(entry) for entry in session.get_inputs())
        self.outputs: tuple[TensorInfo, ...] = tuple(_tensor_info(entry) for entry in session.get_outputs())

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str] | None = None) -> list[Array]:
        """The named outputs (all, in the model's order, by default).

        Raises:
            WorkbenchError: `runtime.run_failed`.
            MemoryError: the runtime could not allocate a tensor.
        """
        try:
            return list(self._session.run(None if outputs is None else list(outputs), dict(feeds)))
        except ORT_ERRORS as error:
            _raise_if_out_of_memory(error)
            shapes = ", ".join(f"{name} {feed.dtype} {feed.shape}" for name, feed in feeds.items())
            raise WorkbenchError(
                "runtime.run_failed",
                f"onnxruntime {ort.__version__} could not run this model: {_own_words(error)}",
                where=shapes,
                hint="Check that the input's size, layout and type are what the model expects.",
            ) from error


def _tensor_info(entry: ort.NodeArg) -> TensorInfo:
    inner = re.fullmatch(r"tensor\((\w+)\)", entry.type)
    dtype = DTYPES.get(inner.group(1), inner.group(1)) if inner else entry.type
    return TensorInfo(entry.name, dtype, tuple(entry.shape))


def _raise_if_out_of_memory(error: Exception) -> None:
    """A stage tells the user about memory in one way; onnxruntime hides a failed allocation in several error classes."""
    if any(words in str(error) for words in ("bad_alloc", "bad allocation", "Failed to allocate memory")):
        raise MemoryError from error


def _own_words(error: Exception, model: Path | bytes = b"") -> str:
    """onnxruntime's message without its error prefix, without paths of this server or of its build machine."""
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error))
    if isinstance(model, Path):
        text = text.replace(f"Load model from {model} failed:", "").replace(str(model), "the file")
        text = text.replace(str(model.parent), "")
    text = re.sub(r"\S*/onnxruntime(?:_src)?/\S+?:\d+ (?:.*?\) )?(?=\S)", "", text)
    text = re.sub(r"(?<![\w.])/(?:[\w.+-]+/)+[\w.+-]*", "(path removed)", text)
    return " ".join(text.split()).rstrip(".") + "."
