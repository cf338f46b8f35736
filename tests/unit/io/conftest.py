"""Small particle sets on disk."""

from pathlib import Path

import pytest
import torch

from deephemnma.core.estimates import Estimates, Status
from deephemnma.core.particle import Optics, Poses
from deephemnma.core.rotation import make_random_rotations
from deephemnma.io.metadata.relion import make_particle_table, write_particle_star
from deephemnma.io.stack.writer import StackWriter

COUNT, BOX_SIZE, PIXEL_SIZE = 6, 8, 1.3


@pytest.fixture
def poses(generator) -> Poses:
    shifts = torch.randn(COUNT, 2, generator=generator, dtype=torch.float64)
    return Poses(make_random_rotations(COUNT, generator=generator), shifts)


@pytest.fixture
def optics() -> Optics:
    values = torch.linspace(0, 1, COUNT, dtype=torch.float64)
    return Optics(
        voltage_kv=torch.full_like(values, 300),
        cs_mm=torch.full_like(values, 2.7),
        amplitude_contrast=torch.full_like(values, 0.07),
        defocus_u=12_000 + 5_000 * values,
        defocus_v=11_000 + 5_000 * values,
        defocus_angle=values,
        phase_shift=values / 2,
        phase_flipped=True,
    )


@pytest.fixture
def images(generator) -> torch.Tensor:
    return torch.randn(COUNT, BOX_SIZE, BOX_SIZE, generator=generator)


@pytest.fixture
def names() -> list[str]:
    return [f"{number:06d}@particles.mrcs" for number in range(1, COUNT + 1)]


@pytest.fixture
def star_path(tmp_path, names, poses, optics, images) -> Path:
    """A star file of RELION 3.1 beside its stack."""
    with StackWriter(tmp_path / "particles.mrcs", box_size=BOX_SIZE, pixel_size=PIXEL_SIZE, count=COUNT) as writer:
        for block in images.split(4):
            writer.write(block)
    table, optics_table = make_particle_table(
        names, pixel_size=PIXEL_SIZE, box_size=BOX_SIZE, poses=poses, optics=optics
    )
    write_particle_star(tmp_path / "particles.star", table=table, optics_table=optics_table)
    return tmp_path / "particles.star"


@pytest.fixture
def estimates(names, poses, generator) -> Estimates:
    root = torch.randn(COUNT, 8, 8, generator=generator, dtype=torch.float64)
    return Estimates(
        names=tuple(names),
        poses=poses,
        amplitudes=100 * torch.randn(COUNT, 3, generator=generator, dtype=torch.float64),
        covariance=root @ root.mT,
        score=torch.randn(COUNT, generator=generator, dtype=torch.float64),
        status=(Status.CONVERGED,) * (COUNT - 1) + (Status.BAD_IMAGE,),
        mode_numbers=(7, 8, 11),
    )
