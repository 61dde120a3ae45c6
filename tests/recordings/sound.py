"""Music made from a seed, and what happens to recordings: louder, noisier, cut, resampled."""

from __future__ import annotations

import array
import math
import random
import wave
from collections.abc import Sequence
from pathlib import Path

RATE = 11_025
"""Samples a second: what Chromaprint hears."""

Samples = Sequence[float]


def music(seed: int, seconds: int = 30) -> list[float]:
    """Three voices of notes with overtones, from -1 to 1, half of it loud at most."""
    chance = random.Random(seed)
    made = [0.0] * (RATE * seconds)
    for _ in range(3):
        at = 0
        while at < len(made):
            length = int(RATE * chance.choice((0.25, 0.35, 0.5, 0.9)))
            pitch = 110 * 2 ** (chance.randrange(0, 40) / 12)
            partials = [(pitch * n, chance.random() / (9 * n)) for n in (1, 2, 3)]
            for i in range(min(length, len(made) - at)):
                fade = 1 - i / length
                turn = 2 * math.pi * i / RATE
                made[at + i] += fade * sum(
                    loud * math.sin(turn * hertz) for hertz, loud in partials
                )
            at += length
    return made


def gain(samples: Samples, factor: float) -> list[float]:
    return [sample * factor for sample in samples]


def noisy(samples: Samples, level: float, seed: int = 0) -> list[float]:
    chance = random.Random(seed)
    return [sample + chance.uniform(-level, level) for sample in samples]


def trimmed(samples: Samples, seconds: float) -> Samples:
    """Without its beginning."""
    return samples[int(RATE * seconds) :]


def coarse(samples: Samples, levels: int = 60) -> list[float]:
    """In few steps, as a bad encoder leaves it."""
    return [round(sample * levels) / levels for sample in samples]


def write_wav(path: Path, samples: Samples) -> Path:
    """A file of one channel, 16 bits."""
    whole = array.array("h", (max(-32_767, min(32_767, int(s * 32_767))) for s in samples))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(whole.tobytes())
    return path
