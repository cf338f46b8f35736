"""Maps and point groups against RELION's own programs."""

import re
import shutil
import subprocess

import mrcfile
import pandas as pd
import pytest
import starfile
import torch

from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import ImageSource, Optics, Poses
from deephemnma.core.rotation import make_random_rotations, rotation_to_euler
from deephemnma.core.structure import DensityMap
from deephemnma.imaging.synthesis import project_images
from deephemnma.metrics.fsc import compute_fsc
from deephemnma.metrics.symmetry import make_point_group
from deephemnma.reconstruction.half_map import reconstruct_halves
from deephemnma.reconstruction.model_map import make_model_map

BOX, PIXEL, COUNT = 48, 2.0, 400

pytestmark = [
    pytest.mark.relion,
    pytest.mark.skipif(
        shutil.which("relion_reconstruct") is None, reason="RELION is not installed (Debian: apt-get install relion)"
    ),
]


class Stack(ImageSource):
    """Images in memory."""

    def __init__(self, images: torch.Tensor, optics: Optics) -> None:
        self.images, self._optics = images, optics

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{number + 1:06d}@stack.mrcs" for number in range(len(self.images)))

    @property
    def box_size(self) -> int:
        return BOX

    @property
    def pixel_size(self) -> float:
        return PIXEL

    @property
    def optics(self) -> Optics:
        return self._optics

    def __getitem__(self, ids):
        return self.images[ids]


def make_case() -> tuple[GaussianModel, Poses, Optics, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)

    def draw(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(COUNT, generator=generator, dtype=torch.float64)

    positions = torch.randn(200, 3, generator=generator, dtype=torch.float64) * torch.tensor([8.0, 12.0, 5.0])
    positions -= positions.mean(0)
    ones = torch.ones(200, dtype=torch.float64)
    model = GaussianModel(positions, ones, 1.5 * ones, torch.zeros(3, dtype=torch.float64))
    poses = Poses(make_random_rotations(COUNT, generator=generator), torch.stack((draw(-5, 5), draw(-5, 5)), dim=1))
    defocus = draw(4000, 8000)
    optics = Optics(
        voltage_kv=draw(300, 300),
        cs_mm=draw(2.7, 2.7),
        amplitude_contrast=draw(0.1, 0.1),
        defocus_u=defocus,
        defocus_v=defocus - 400,
        defocus_angle=draw(0, 3),
        phase_shift=draw(0, 0),
    )
    modes = Modes(torch.zeros(0, 200, 3, dtype=torch.float64), torch.zeros(0, dtype=torch.float64), ())
    images = project_images(model, modes, poses, torch.zeros(COUNT, 0), box_size=BOX, pixel_size=PIXEL, optics=optics)
    noise = torch.randn(images.shape, generator=generator) * images.std()
    return model, poses, optics, images + noise


def write_case(folder, poses: Poses, optics: Optics, images: torch.Tensor) -> None:
    with mrcfile.new(folder / "stack.mrcs") as stack:
        stack.set_data(images.numpy())
        stack.set_image_stack()
        stack.voxel_size = PIXEL
    euler = rotation_to_euler(poses.rotations).rad2deg()
    particles = pd.DataFrame(
        {
            "rlnImageName": [f"{number + 1:06d}@stack.mrcs" for number in range(COUNT)],
            "rlnOpticsGroup": 1,
            "rlnAngleRot": euler[:, 0],
            "rlnAngleTilt": euler[:, 1],
            "rlnAnglePsi": euler[:, 2],
            "rlnOriginXAngst": poses.shifts[:, 0],
            "rlnOriginYAngst": poses.shifts[:, 1],
            "rlnDefocusU": optics.defocus_u,
            "rlnDefocusV": optics.defocus_v,
            "rlnDefocusAngle": optics.defocus_angle.rad2deg(),
        }
    )
    group = {
        "rlnOpticsGroup": 1,
        "rlnOpticsGroupName": "one",
        "rlnVoltage": 300.0,
        "rlnSphericalAberration": 2.7,
        "rlnAmplitudeContrast": 0.1,
        "rlnImagePixelSize": PIXEL,
        "rlnImageSize": BOX,
        "rlnImageDimensionality": 2,
    }
    starfile.write({"optics": pd.DataFrame([group]), "particles": particles}, folder / "particles.star")


def test_relions_map_of_the_same_images_is_ours(tmp_path):
    model, poses, optics, images = make_case()
    write_case(tmp_path, poses, optics, images)
    command = ["relion_reconstruct", "--i", "particles.star", "--o", "map.mrc", "--ctf"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    with mrcfile.open(tmp_path / "map.mrc") as file:
        theirs = DensityMap(torch.from_numpy(file.data.copy()), PIXEL, torch.zeros(3), "RELION")
    ours = reconstruct_halves(Stack(images, optics), poses).full
    truth = make_model_map(model, box_size=BOX, voxel_size=PIXEL)
    between = compute_fsc(ours, theirs).correlation[:-3]
    against = [compute_fsc(each, truth).correlation[:-3] for each in (ours, theirs)]
    print(f"ours-RELION {float(between.mean()):.3f}; against truth {[round(float(c.mean()), 3) for c in against]}")
    assert float(between.mean()) > 0.9
    assert float(against[0].mean()) > float(against[1].mean()) - 0.02


@pytest.mark.parametrize("name", ["C3", "D2", "D5", "T", "O", "I"])
@pytest.mark.skipif(shutil.which("relion_refine") is None, reason="RELION is not installed")
def test_point_groups_are_in_relions_setting(name):
    command = ["relion_refine", "--print_symmetry_ops", "--sym", name]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    blocks = re.findall(r"R\(\d+\)=\s*((?:[-\d.e]+\s+){9})", printed + "\n")
    theirs = torch.tensor([[float(number) for number in block.split()] for block in blocks]).reshape(-1, 3, 3).double()
    ours = make_point_group(name)
    assert len(theirs) == len(ours)
    distance = (theirs[:, None] - ours[None]).abs().amax((-1, -2)).min(1).values
    assert float(distance.max()) < 1e-4
