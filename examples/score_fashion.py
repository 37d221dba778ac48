"""Top-1 of a model of the example on all 10,000 test pictures and on the first 1,000, in plain onnxruntime.

.venv/bin/python examples/score_fashion.py examples/fashion/fashion-cnn.onnx [INT8.onnx ...]
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from fashion_mnist import DEBIAN_FOLDER, read_split

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime as ort

BATCH = 250
PACKED = 1000


def predict(model: Path, pictures: np.ndarray) -> np.ndarray:
    """(n,) int64: the class with the highest score of each (28, 28) picture."""
    session = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    x = np.repeat(pictures[:, None].astype(np.float32) / 255, 3, axis=1)
    scores = [session.run(None, {name: x[start : start + BATCH]})[0] for start in range(0, len(x), BATCH)]
    return np.concatenate(scores).argmax(axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, default=DEBIAN_FOLDER, help="folder of the four IDX files")
    arguments = parser.parse_args()
    pictures, labels = read_split(arguments.data, "t10k")
    for model in arguments.models:
        right = predict(model, pictures) == labels
        everything, packed = 100 * right.mean(), 100 * right[:PACKED].mean()
        print(f"{model.name}: {everything:.2f} % of {len(right)}, {packed:.1f} % of the first {PACKED}")


if __name__ == "__main__":
    main()
