"""Samples as a network of each kind gets them: smooth as photographs and sound are, of varied brightness and contrast."""

from __future__ import annotations

import numpy as np


def image_like(shape: tuple[int, ...], n: int, *, seed: int = 0) -> list[np.ndarray]:
    """n tensors (1, C, …) float32 in 0..1 with amplitudes that fall as 1/f, channels correlated."""
    rng = np.random.default_rng(seed)
    channels, extent = shape[0], shape[1:]
    frequency = np.sqrt(sum(np.square(axis) for axis in np.meshgrid(*(np.fft.fftfreq(k) * k for k in extent), indexing="ij")))
    falloff = 1 / np.maximum(frequency, 1)
    samples = []
    for _ in range(n):
        noise = rng.normal(size=(channels, *extent)) + 1.5 * rng.normal(size=(1, *extent))
        field = np.real(np.fft.ifftn(np.fft.fftn(noise, axes=range(1, len(shape))) * falloff, axes=range(1, len(shape))))
        field /= field.std() + 1e-9
        tint = rng.uniform(-0.15, 0.15, (channels,) + (1,) * len(extent))
        x = rng.uniform(0.2, 0.8) + tint + rng.uniform(0.05, 0.3) * field
        samples.append(np.clip(x, 0, 1)[None].astype(np.float32))
    return samples


def wave_like(shape: tuple[int, ...], n: int, *, seed: int = 0) -> list[np.ndarray]:
    """n tensors (1, C, T) float32 around 0: smooth, with loud and quiet samples."""
    loudness = np.random.default_rng(seed + 1).uniform(0.3, 2.0, n)
    return [np.float32(gain * 4) * (x - x.mean()) for x, gain in zip(image_like(shape, n, seed=seed), loudness, strict=True)]
