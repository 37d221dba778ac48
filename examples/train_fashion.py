"""Train the example model on Fashion-MNIST and export it to ONNX; some 15 minutes of one core with bfloat16 instructions.

torch is no dependency of the workbench, so this runs in its own environment:

    sudo apt install dataset-fashion-mnist
    python3 -m venv /tmp/train-venv && /tmp/train-venv/bin/pip install torch==2.13.0 numpy onnx
    /tmp/train-venv/bin/python examples/train_fashion.py --out examples/fashion/fashion-cnn.onnx [--bfloat16]

The network is a plain residual CNN of 3x3 convolutions, the kind that 8-bit kernels speed up most; widths are multiples of 16
(one AVX-512 register of int32 sums). Input `image` (N, 3, 28, 28) float32, RGB 0..1 (grey pictures: three equal channels);
output `logits` (N, 10). The last epoch's weights are exported: the test pictures choose nothing, they are only scored once.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from fashion_mnist import CLASSES, DEBIAN_FOLDER, read_split
from torch import Tensor, nn

SEED = 0
BATCH = 250
EPOCHS = 10
PEAK_LEARNING_RATE = 0.1
WEIGHT_DECAY = 5e-4
LABEL_SMOOTHING = 0.05
SHIFT_PIXELS = 2
OPSET = 17


def read_tensors(folder: Path, split: str) -> tuple[Tensor, Tensor]:
    """Pictures (n, 1, 28, 28) uint8 and labels (n,) int64."""
    pictures, labels = read_split(folder, split)
    return torch.from_numpy(pictures.copy())[:, None], torch.from_numpy(labels)


def convolution(channels_in: int, channels_out: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False), nn.BatchNorm2d(channels_out)]


class Residual(nn.Module):
    """relu(x + conv(relu(conv(x))))"""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*convolution(channels, channels), nn.ReLU(), *convolution(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


def build_network() -> nn.Sequential:
    """1.55 million parameters, 41 million multiply-adds."""
    return nn.Sequential(
        *convolution(3, 32), nn.ReLU(),  # 28 x 28: few channels, cheap
        *convolution(32, 64, stride=2), nn.ReLU(),  # 14 x 14
        *convolution(64, 128, stride=2), nn.ReLU(), Residual(128),  # 7 x 7
        *convolution(128, 224, stride=2), nn.ReLU(), Residual(224),  # 4 x 4
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(224, len(CLASSES)),
    )  # fmt: skip


def to_input(pictures: Tensor) -> Tensor:
    """(n, 1, 28, 28) uint8 -> (n, 3, 28, 28) float32 in 0..1."""
    return (pictures.float() / 255).expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


def augment(pictures: Tensor, random: torch.Generator) -> Tensor:
    """Each picture moved by up to SHIFT_PIXELS either way, and half of them mirrored."""
    n, _, height, width = pictures.shape
    padded = nn.functional.pad(pictures, [SHIFT_PIXELS] * 4)
    top, left = torch.randint(0, 2 * SHIFT_PIXELS + 1, (2, n, 1, 1), generator=random)
    mirrored = torch.rand(n, 1, 1, generator=random) < 0.5
    columns = torch.arange(width).expand(n, 1, width)
    columns = left + torch.where(mirrored, width - 1 - columns, columns)
    rows = top + torch.arange(height)[None, :, None]
    return padded[torch.arange(n)[:, None, None], 0, rows, columns][:, None]


def train(network: nn.Module, pictures: Tensor, labels: Tensor, epochs: int, bfloat16: bool) -> None:
    random = torch.Generator().manual_seed(SEED)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=WEIGHT_DECAY)
    steps = len(pictures) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_LEARNING_RATE, total_steps=steps * epochs)
    network.train()
    started = time.perf_counter()
    for epoch in range(epochs):
        order = torch.randperm(len(pictures), generator=random)
        total = 0.0
        for chosen in order[: steps * BATCH].split(BATCH):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                logits = network(to_input(augment(pictures[chosen], random))).float()
            loss = nn.functional.cross_entropy(logits, labels[chosen], label_smoothing=LABEL_SMOOTHING)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        print(f"epoch {epoch + 1}: loss {total / steps:.4f}, {time.perf_counter() - started:.0f} s", flush=True)


def score(network: nn.Module, pictures: Tensor, labels: Tensor) -> float:
    """Fraction right."""
    network.eval()
    with torch.inference_mode():
        right = [network(to_input(x)).argmax(1) == y for x, y in zip(pictures.split(500), labels.split(500), strict=True)]
    return float(torch.cat(right).float().mean())


def export(network: nn.Module, path: Path) -> None:
    """FP32, any batch size. The exporter folds each BatchNorm into its convolution."""
    network.eval()
    torch.onnx.export(
        network.to(memory_format=torch.contiguous_format),
        (torch.zeros(1, 3, 28, 28),),
        path,
        dynamo=False,
        opset_version=OPSET,
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=DEBIAN_FOLDER, help="folder of the four IDX files")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bfloat16", action="store_true", help="twice as fast where the CPU has avx512_bf16 or amx_bf16")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(SEED)
    network = build_network().to(memory_format=torch.channels_last)
    print(f"{sum(p.numel() for p in network.parameters())} parameters")
    train(network, *read_tensors(arguments.data, "train"), arguments.epochs, arguments.bfloat16)
    print(f"test top-1 {100 * score(network, *read_tensors(arguments.data, 't10k')):.2f} %")
    export(network, arguments.out)


if __name__ == "__main__":
    main()
