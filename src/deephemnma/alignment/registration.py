"""The frame of given poses: the rotation and move of the reference, the same for all images, that suits them."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from deephemnma.alignment.agreement import compute_agreement
from deephemnma.alignment.observation import Observations
from deephemnma.alignment.state import State
from deephemnma.core.rotation import compute_geodesic_angle, make_rotation_grid, rotation_from_vector
from deephemnma.imaging.projector import Projector

SPACING = 0.3
"""Moves that are tried lie so far apart, in units of the resolution."""
LONGEST_STEP = 0.25
"""Of a descent: A RMS of the sites, in units of the resolution."""
APART = 0.5
"""Candidates that differ by less than this, in units of the resolution, are one."""


@dataclass(frozen=True)
class Frame:
    """``x -> scale (rotation x) + offset`` of the reference, before the pose of each image.

    Attributes
    ----------
    rotation
        In the frame of the poses.
    offset
        A, in the frame of the poses.
    scale
        Magnification.
    """

    rotation: Float[Tensor, "3 3"]
    offset: Float[Tensor, "3"]
    scale: float = 1.0

    @property
    def angle_deg(self) -> float:
        """Of the rotation."""
        still = torch.eye(3).to(self.rotation)
        return math.degrees(float(compute_geodesic_angle(self.rotation[None], still[None])[0]))

    @property
    def distance(self) -> float:
        """Of the move, A."""
        return float(self.offset.norm())

    def apply(self, state: State) -> State:
        """Return the poses of the reference as it is, which show it where these show the moved one."""
        moved = state.rotations @ self.offset.to(state.rotations)
        return replace(
            state, rotations=state.rotations @ self.rotation.to(state.rotations), shifts=state.shifts - moved[:, :2]
        )


@dataclass(frozen=True)
class Registration:
    """A frame that was found.

    Attributes
    ----------
    frame
        The likeliest.
    gains
        Log likelihood of each image in it, as of :class:`~deephemnma.alignment.agreement.Agreement`.
    sd_angle_deg, sd_offset, sd_scale
        Error bars: of the rotation about an axis, degrees; of the offset along an axis, A; of the magnification.
    """

    frame: Frame
    gains: Float[Tensor, "images"]
    sd_angle_deg: float
    sd_offset: float
    sd_scale: float


def make_identity() -> Frame:
    """Return the frame in which the reference is as it is."""
    return Frame(torch.eye(3), torch.zeros(3))


def make_offset_grid(radius: float, spacing: float) -> Float[Tensor, "offsets 3"]:
    """Return moves on a cubic lattice within a ball; none is always among them."""
    steps = int(radius / spacing)
    ladder = torch.arange(-steps, steps + 1, dtype=torch.float32) * spacing
    grid = torch.cartesian_prod(ladder, ladder, ladder)
    return grid[grid.norm(dim=1) <= radius + 1e-6]


def search_frames(
    observations: Observations,
    projector: Projector,
    state: State,
    *,
    gyration_radius: float,
    n_rotations: int,
    kept: int,
    at_once: int = 16,
) -> list[Frame]:
    """Return the likeliest frames of a grid over all rotations, and moves up to the radius of gyration, best first.

    For a rotation the data times the projections are the transform, at 3D points that do not depend on it, of the
    likelihood as a function of the move: all moves cost one matrix product.

    Parameters
    ----------
    observations, projector
        Of one coarse band.
    state
        The given poses.
    gyration_radius
        Of the reference, A.
    n_rotations, kept
        Rotations tried, and frames returned.
    at_once
        Rotations that are projected together.
    """
    resolution, device = projector.band.resolution, state.shifts.device
    offsets = make_offset_grid(gyration_radius, SPACING * resolution).to(device)
    rotations = make_rotation_grid(n_rotations).to(device, torch.float32)
    waves = _make_waves(observations, state, offsets)
    gains = []
    for some in rotations.split(at_once):
        turned = (state.rotations[None] @ some[:, None]).flatten(0, 1)
        still = torch.zeros(len(turned), 2, device=device)
        value = projector.project(turned, still, state.amplitudes.repeat(len(some), 1)).unflatten(0, (len(some), -1))
        energy = (value.abs() * observations.transfer).square().sum((1, 2))
        inner = torch.view_as_real(value).flatten(1) @ waves
        gains.append(inner.clamp_min(0).square() / (2 * energy[:, None].clamp_min(1e-30)))
    return _choose(torch.cat(gains), rotations, offsets, kept=kept, radius=gyration_radius, apart=APART * resolution)


def _make_waves(
    observations: Observations, state: State, offsets: Float[Tensor, "offsets 3"]
) -> Float[Tensor, "parts offsets"]:
    """Return the filtered data, moved back by shift and offset: real and imaginary parts in turn."""
    frequencies = observations.band.frequencies
    back = -2 * math.pi * state.shifts @ frequencies.T
    data = observations.data * observations.transfer
    data = data * torch.polar(torch.ones_like(back), back)
    points = torch.einsum("cv,ivx->icx", frequencies, state.rotations[:, :2])
    phase = 2 * math.pi * points.flatten(0, 1) @ offsets.T
    waves: Complex[Tensor, "parts offsets"] = data.flatten()[:, None] * torch.polar(torch.ones_like(phase), phase)
    return torch.view_as_real(waves).transpose(1, 2).flatten(0, 1)


def _choose(
    gains: Float[Tensor, "rotations offsets"],
    rotations: Float[Tensor, "rotations 3 3"],
    offsets: Float[Tensor, "offsets 3"],
    *,
    kept: int,
    radius: float,
    apart: float,
) -> list[Frame]:
    best, where = gains.max(1)
    chosen: list[Frame] = []
    for row in best.argsort(descending=True).tolist():
        frame = Frame(rotations[row].cpu(), offsets[where[row]].cpu())
        if all(_measure_distance(frame, other, radius) > apart for other in chosen):
            chosen.append(frame)
        if len(chosen) == kept:
            break
    return chosen


def _measure_distance(first: Frame, second: Frame, radius: float) -> float:
    angle = float(compute_geodesic_angle(first.rotation[None], second.rotation[None])[0])
    return math.hypot(angle * radius, float((first.offset - second.offset).norm()))


def refine_frame(
    observations: Observations,
    projector: Projector,
    state: State,
    start: Frame,
    *,
    gyration_radius: float,
    reach: float,
    iterations: int,
) -> Registration:
    """Descend to the likeliest frame near `start` by Levenberg's and Marquardt's method, all images sharing it.

    Parameters
    ----------
    observations
        On the band of `projector`.
    projector
        Of the reference with the breathing mode as the last (:mod:`deephemnma.alignment.magnification`).
    state
        The given poses; the last amplitude counts for nothing.
    start
        Where to begin.
    gyration_radius, reach
        Of the reference, A (the latter from :func:`~deephemnma.alignment.magnification.compute_reach`).
    iterations
        Steps at the most.
    """
    frame, damping = start, 1e-2
    cost, gradient, curvature = _linearize(observations, projector, state, frame, reach=reach)
    turn = 1 / gyration_radius
    unit = torch.tensor([turn] * 3 + [1.0] * 3 + [turn], dtype=torch.float64)
    for _ in range(iterations):
        bound = LONGEST_STEP * projector.band.resolution * unit
        damped = curvature + damping * torch.diag(curvature.diagonal())
        step = -torch.linalg.solve(damped, gradient)[:-1]
        step = step / (step / bound).norm().clamp_min(1)
        trial = _move(frame, step)
        found = _linearize(observations, projector, state, trial, reach=reach)
        if found[0] >= cost:
            damping *= 8
            if damping > 1e6:
                break
            continue
        gain, frame, (cost, gradient, curvature) = cost - found[0], trial, found
        damping = max(1e-4, damping / 5)
        if gain < 1e-2:
            break
    spread = torch.linalg.pinv(curvature).diagonal()[:-1].clamp_min(0).sqrt()
    return Registration(
        frame,
        compute_agreement(observations, projector, place(state, frame, reach=reach)).compute_gains(),
        math.degrees(float(spread[:3].mean())),
        float(spread[3:6].mean()),
        float(spread[6]),
    )


def place(state: State, frame: Frame, *, reach: float) -> State:
    """Return the states of the images in a frame, its magnification as the last amplitude."""
    amplitudes = state.amplitudes.clone()
    amplitudes[:, -1] = (frame.scale - 1) * reach
    return replace(frame.apply(state), amplitudes=amplitudes)


def _move(frame: Frame, step: Float[Tensor, "7"]) -> Frame:
    turn = rotation_from_vector(step[:3]).to(frame.rotation)
    return Frame(turn @ frame.rotation, frame.offset + step[3:6].to(frame.offset), frame.scale + float(step[6]))


def _linearize(
    observations: Observations, projector: Projector, state: State, frame: Frame, *, reach: float
) -> tuple[float, Float[Tensor, "8"], Float[Tensor, "8 8"]]:
    """Return minus the log likelihood over all images, its slope and curvature; the last parameter is the contrast."""
    n_modes = projector.n_modes
    inner, energy, jj, jd, jv = 0.0, 0.0, 0.0, 0.0, 0.0
    for some in torch.arange(len(state), device=state.shifts.device).split(32):
        part, seen = state.select(some), observations.select(some)
        placed = place(part, frame, reach=reach)
        value, slopes = projector.linearize(placed.rotations, placed.shifts, placed.amplitudes)
        turns = torch.einsum("ivx,ivc->ixc", part.rotations.to(slopes.dtype), slopes[:, n_modes : n_modes + 3])
        moves = -torch.einsum("ivx,ivc->ixc", part.rotations[:, :2].to(slopes.dtype), slopes[:, n_modes + 3 :])
        grows = reach * slopes[:, n_modes - 1 : n_modes]
        jacobian = torch.cat((turns, moves, grows), dim=1) * seen.transfer[:, None]
        jacobian = torch.view_as_real(jacobian).flatten(2).transpose(0, 1).flatten(1)
        value = torch.view_as_real(value * seen.transfer).flatten()
        data = torch.view_as_real(seen.data).flatten()
        inner, energy = inner + float(value.double() @ data.double()), energy + float(value.double().square().sum())
        jj, jd, jv = jj + (jacobian @ jacobian.T).double(), jd + (jacobian @ data).double(), jv + jacobian @ value
    contrast = max(inner / max(energy, 1e-30), 1e-12)
    curvature = torch.zeros(8, 8, dtype=torch.float64)
    curvature[:7, :7] = (contrast**2 * jj).cpu()
    curvature[:7, 7] = curvature[7, :7] = contrast * jv.double().cpu()
    curvature[7, 7] = energy
    gradient = torch.zeros(8, dtype=torch.float64)
    gradient[:7] = -(contrast * (jd - contrast * jv.double())).cpu()
    return contrast**2 * energy / 2 - contrast * inner, gradient, curvature
