"""Random numbers that depend on what they are for, not on what was drawn before, by whom or in which company."""

import hashlib

import torch


def derive_seed(*key: object) -> int:
    """Return 32 bits that follow from `key` (seed, purpose, step ...)."""
    return int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:4])


def make_generator(*key: object, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator seeded from `key`."""
    return torch.Generator(device).manual_seed(derive_seed(*key))


def make_image_generator(seed: int, image: int) -> torch.Generator:
    """Return the generator of one image: from the run's seed and the image's id alone, whatever the blocks."""
    digest = hashlib.blake2b(f"{seed}/{image}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
