"""Random numbers that depend on what they are for, not on what was drawn before."""

import hashlib

import torch


def derive_seed(*key: object) -> int:
    """Return 32 bits that follow from `key` (seed, purpose, step ...)."""
    return int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:4])


def make_generator(*key: object, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator seeded from `key`."""
    return torch.Generator(device).manual_seed(derive_seed(*key))
