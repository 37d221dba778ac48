"""Bytes -> a checked ModelProto, and back to one self-contained file. For child processes only."""

from __future__ import annotations

import math
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import external_data_helper, helper

from app.engine.graph import walk
from app.engine.graph.safety import check_model
from app.errors import WorkbenchError

LARGEST_PROTOBUF = 2**31 - 2**20
"""protobuf's own limit of 2 GiB, with room for the graph."""
FOREIGN_SIGNATURES = {
    b"\x80": "a Python pickle (a PyTorch checkpoint?)",
    b"PK": "a zip archive",
    b"\x89HDF": "an HDF5 file (Keras?)",
    b"<": "a text file (HTML or XML?)",
    b"{": "a JSON file",
}


def load_model(path: Path, *, external_folder: Path | None = None) -> onnx.ModelProto:
    """The model in `path`, judged safe, weights from its data files embedded.

    Args:
        external_folder: Where data files that came with the model were unpacked (plain names); None: there are none.

    Raises:
        WorkbenchError: `model.empty`, `model.not_onnx`, `model.truncated`, `model.too_large`, and those of `check_model`.
    """
    size = path.stat().st_size
    if size == 0:
        raise WorkbenchError("model.empty", "The file is empty (0 bytes).", hint="Export or copy the model again.")
    if size > LARGEST_PROTOBUF:
        raise WorkbenchError(
            "model.too_large",
            f"The file has {size / 2**30:.1f} GiB; one ONNX file holds at most 2 GiB.",
            hint="Save its weights as external data and upload both in a zip.",
        )
    model = _parse(path.read_bytes())
    files = {} if external_folder is None else {p.name: p for p in external_folder.iterdir() if p.is_file()}
    check_model(model, external=frozenset(files))
    if external_folder is not None:
        _embed_external_data(model, files, external_folder)
    return model


def _parse(data: bytes) -> onnx.ModelProto:
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        what = next((name for signature, name in FOREIGN_SIGNATURES.items() if data.startswith(signature)), "")
        if what:
            raise WorkbenchError(
                "model.not_onnx", f"This is not an ONNX model but {what}.", hint="Export the network as .onnx."
            ) from error
        if "MaxDepth" in str(error):  # protobuf's words for more than 100 levels
            raise WorkbenchError("model.too_complex", "The model's subgraphs are nested too deep (about 30 levels).") from error
        if data[:1] == b"\x08":  # field 1, ir_version: how every ONNX file starts
            raise WorkbenchError(
                "model.truncated",
                f"The file starts like an ONNX model but ends in the middle, after {len(data):,} bytes.",
                hint="Copy or export it again.",
            ) from error
        raise WorkbenchError("model.not_onnx", "This is not an ONNX model.", hint="Export the network as .onnx.") from error
    return model


def _embed_external_data(model: onnx.ModelProto, files: dict[str, Path], folder: Path) -> None:
    total = sum(path.stat().st_size for path in files.values())
    if total > LARGEST_PROTOBUF:
        raise WorkbenchError(
            "model.too_large", f"The model's weights have {total / 2**30:.1f} GiB; this version takes up to 2 GiB."
        )
    for tensor in walk.tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            _check_extent(tensor, files)
            external_data_helper.load_external_data_for_tensor(tensor, str(folder))
            tensor.data_location = onnx.TensorProto.DEFAULT
            del tensor.external_data[:]


def _check_extent(tensor: onnx.TensorProto, files: dict[str, Path]) -> None:
    """The bytes named lie inside the data file and are as many as the shape needs."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    try:
        offset, length = int(entries.get("offset") or 0), int(entries.get("length") or 0)
    except ValueError as error:
        raise WorkbenchError("model.invalid", "External data has an offset that is no number.", where=tensor.name) from error
    size = files[entries["location"]].stat().st_size
    if offset < 0 or length < 0 or offset + length > size:
        raise WorkbenchError(
            "model.external_data_missing",
            f'The data file "{entries["location"]}" has {size:,} bytes, but the model reads up to byte {offset + length:,}.',
            where=tensor.name,
            hint="Zip the model together with the data file of the same export.",
        )


def constants_bytes(model: onnx.ModelProto) -> int:
    """Bytes of all tensors, by their shapes: to look at the bytes would copy them."""
    return sum(
        math.prod(tensor.dims) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        for tensor in walk.tensors(model)
        if tensor.data_type != onnx.TensorProto.STRING
    )


def save_model(model: onnx.ModelProto, path: Path, *, largest: int = LARGEST_PROTOBUF) -> None:
    """One file; where that would pass `largest` bytes, `<path>` and its weights beside it in `<path>.data`."""
    if constants_bytes(model) <= largest:
        path.write_bytes(model.SerializeToString(deterministic=True))
        return
    data = path.with_name(f"{path.name}.data")
    data.unlink(missing_ok=True)  # onnx appends
    copy = onnx.ModelProto()
    copy.CopyFrom(model)  # onnx moves the weights out of the message that it saves
    onnx.save_model(copy, str(path), save_as_external_data=True, location=data.name)
