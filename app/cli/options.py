"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Runtime = Literal["onnxruntime"]

ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL", help="ONNX file, or a zip with its external data.")]
DatasetOption = Annotated[
    Path, typer.Option("--dataset", metavar="PATH", help="Folder, zip or tar of images, with or without labels.")
]
PreprocessingOption = Annotated[
    str,
    typer.Option(
        metavar="NAME|FILE.json", help="auto, torchvision, efficientnet-lite, caffe, unit, raw, or a file as --out writes it."
    ),
]
SizeOption = Annotated[str | None, typer.Option(metavar="HxW", help="Input size, for models that leave it open: 224x224.")]
RuntimeOption = Annotated[Runtime, typer.Option(help="What runs the model.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, nothing else.")]
