"""Random numbers of an image: from the run's seed and the image's id alone, whatever the blocks."""

import hashlib

import torch


def make_image_generator(seed: int, image: int) -> torch.Generator:
    """Return the generator of one image."""
    digest = hashlib.blake2b(f"{seed}/{image}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
