"""The sample and the reference, made ready for all comparisons: one coarse band, one as fine as conventions need."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Int
from torch import Tensor

from deephemnma.alignment.assembly import COARSE_TOLERANCE
from deephemnma.alignment.magnification import add_breathing, compute_reach, magnify
from deephemnma.alignment.observation import Observations, make_observations
from deephemnma.alignment.scale import compute_scales
from deephemnma.alignment.schedule import make_coarse_projector
from deephemnma.alignment.state import State
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import ImageSource, Optics, Poses
from deephemnma.imaging.band import make_band
from deephemnma.imaging.noise import NoiseModel
from deephemnma.imaging.noise_estimation import estimate_noise
from deephemnma.imaging.projector import Projector
from deephemnma.pipeline.preflight.sample import HeldImages, choose_working_box, crop_sample

WORKING, COARSE = 0.25, 0.6
"""Resolutions of the comparisons, in units of the reference's radius of gyration."""
FINEST = 4.0
"""A; no convention needs more."""
NYQUIST = 2.05
"""Pixels to a wave at the finest."""


@dataclass(frozen=True)
class Probe:
    """What the checks compare.

    Attributes
    ----------
    model, modes
        The reference as the user gave it, magnified where the images ask for it.
    images
        The sample, Fourier-cropped; white protein, as far as is known.
    rows
        Which of the sample they are.
    grey
        Standard deviation of the pixels of the uncropped images, which is the unit of these.
    noise
        Of the images, by their corners.
    device
        That computes.
    shift_range
        A; of searches.
    """

    model: GaussianModel
    modes: Modes
    images: HeldImages
    rows: Int[Tensor, "images"]
    grey: float
    noise: NoiseModel
    device: torch.device
    shift_range: float

    @property
    def gyration_radius(self) -> float:
        """Of the reference, A."""
        return compute_scales(self.model).gyration_radius

    @property
    def reach(self) -> float:
        """Of the reference (:func:`~deephemnma.alignment.magnification.compute_reach`), A."""
        return compute_reach(self.model)

    def negate(self) -> "Probe":
        """Return the probe of the images with their grey values reversed."""
        return replace(self, images=self.images.scale(-1.0))

    def magnify(self, scale: float) -> "Probe":
        """Return the probe of the reference magnified."""
        return replace(self, model=magnify(self.model, scale))

    def make_projector(self, resolution: float = 0.0) -> Projector:
        """Return projections of the reference with all its modes, and the breathing mode as the last."""
        band = make_band(self.images.box_size, self.images.pixel_size, resolution=resolution, device=self.device)
        modes = add_breathing(self.model, self.modes)
        return make_coarse_projector(self.model, modes, band, tolerance=COARSE_TOLERANCE)

    def observe(self, projector: Projector, *, optics: Optics | None) -> Observations:
        """Return the images on the projector's band, by the CTF of `optics`; None for none."""
        images = self.images[torch.arange(len(self.images))]
        return make_observations(images, projector.band, optics=optics, noise=self.noise)

    def make_state(self, poses: Poses, amplitudes: Tensor | None) -> State:
        """Return given poses of these images, with `amplitudes` of the modes if there are any."""
        count = len(poses)
        still = torch.zeros(count, self.modes.n_modes + 1) if amplitudes is None else amplitudes.float()
        still = torch.nn.functional.pad(still, (0, self.modes.n_modes + 1 - still.shape[1]))
        parts = (poses.rotations.float(), poses.shifts.float(), still)
        return State(*(part.to(self.device) for part in parts))


def make_probe(
    model: GaussianModel, modes: Modes, source: ImageSource, *, shift_range: float, device: torch.device
) -> Probe | None:
    """Read and crop the sample; None if no image of it can be used."""
    resolution = max(NYQUIST * source.pixel_size, WORKING * compute_scales(model).gyration_radius, FINEST)
    box_size = choose_working_box(source.box_size, source.pixel_size, resolution=resolution)
    images, rows, grey = crop_sample(source, box_size=box_size)
    if not len(rows):
        return None
    noise = estimate_noise(images, radius=model.radius + shift_range)
    return Probe(model, modes, images, rows, grey, noise, device, shift_range)
