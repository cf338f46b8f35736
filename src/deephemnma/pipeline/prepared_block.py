"""Blocks of prepared images, whatever the scales of the images they are made from."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from deephemnma.io.particles import ParticleStack
from deephemnma.pipeline.image_preparation import PreparedImages, Recipe, prepare_images
from deephemnma.pipeline.stack_blocks import Made, MakeImages


@dataclass(frozen=True, eq=False)
class Part:
    """What is done to the particles of one scale.

    Attributes
    ----------
    rows, particles
        Their rows in the file, and their images.
    recipe
        What to do.
    moves
        By how many pixels each is moved; None without recentring.
    """

    rows: Int[Tensor, "images"]
    particles: ParticleStack
    recipe: Recipe
    moves: Int[Tensor, "images 2"] | None


def make_block_maker(parts: Sequence[Part]) -> MakeImages:
    """Return the function that makes prepared images of any rows of the file."""
    part_of, place_of = _index_rows([part.rows for part in parts])

    def make(ids: Int[Tensor, "images"]) -> Made:
        box = parts[0].recipe.target.box_size
        images, n_bad = torch.empty(len(ids), box, box), 0
        for number in part_of[ids].unique().tolist():
            chosen = (part_of[ids] == number).nonzero()[:, 0]
            made = _prepare_rows(parts[number], place_of[ids[chosen]])
            images[chosen] = made.images
            n_bad += made.n_bad
        return images, {"bad": n_bad}

    return make


def _prepare_rows(part: Part, rows: Int[Tensor, "images"]) -> PreparedImages:
    flip = part.recipe.phase_flip
    return prepare_images(
        part.particles[rows],
        part.recipe,
        optics=part.particles.optics.select(rows).to("cpu") if flip else None,
        moves=None if part.moves is None else part.moves[rows],
    )


def _index_rows(parts: Sequence[Int[Tensor, "_"]]) -> tuple[Int[Tensor, "rows"], Int[Tensor, "rows"]]:
    """Return of which part each row of a file is, and its place there, from the rows of each part."""
    count = sum(len(rows) for rows in parts)
    part_of, place_of = torch.empty(count, dtype=torch.long), torch.empty(count, dtype=torch.long)
    for number, rows in enumerate(parts):
        part_of[rows], place_of[rows] = number, torch.arange(len(rows))
    return part_of, place_of
