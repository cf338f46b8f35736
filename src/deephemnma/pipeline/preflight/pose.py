"""Are given poses in our convention, and in the frame of this reference."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.alignment.agreement import Difference, average, compute_agreement
from deephemnma.alignment.observation import Observations
from deephemnma.alignment.pose_convention import GIVEN, MIRRORED, TRANSPOSED, Convention, compare_conventions
from deephemnma.alignment.registration import Frame, Registration, make_identity, refine_frame, search_frames
from deephemnma.alignment.state import State
from deephemnma.core.particle import Poses
from deephemnma.core.rotation import make_random_rotations
from deephemnma.core.seed import make_generator
from deephemnma.imaging.projector import Projector
from deephemnma.pipeline.preflight.probe import COARSE, Probe

RANDOM_DRAWS = 4
FRAMES = 576
KEPT = 3
SEARCHED_IMAGES = 48
COARSE_STEPS, FINE_STEPS = 6, 10
BETTER = 4.0
"""Standard errors by which another convention has to explain the images better to be believed."""
FRAME_BETTER = 6.0
"""The same for a frame, which is the best of many."""
PLAIN_WORTH, WORTH = 0.01, 0.05
"""Shares of the gain, too, for a convention and for a frame: below that it does not matter."""
CLOSE = 0.7
"""Share of the best frame's gain, at low resolution, from which a turn's frame is worth finishing."""
TURNS = (GIVEN, TRANSPOSED, f"{MIRRORED} through the centre")
"""Of which frames are searched: mirrors differ from each other by a frame."""


@dataclass(frozen=True)
class Reading:
    """One way to read the given poses.

    Attributes
    ----------
    convention
        What is done to them first.
    frame
        Where the reference then lies; None for where it is.
    gains
        Log likelihood of each image above that of an empty one.
    registration
        Error bars of the frame; None without a frame.
    """

    convention: Convention
    frame: Frame | None
    gains: Float[Tensor, "images"]
    registration: Registration | None = None

    @property
    def mean(self) -> float:
        """Mean gain of an image."""
        return float(self.gains.mean())

    def beats(self, other: "Reading", *, by: float, worth: float) -> bool:
        """Whether it explains the images better beyond doubt, and by enough to matter."""
        difference = compare(self, other)
        return difference.z > by and difference.mean > worth * abs(self.mean)

    def apply(self, state: State, *, pixel_size: float) -> State:
        """Return the poses of the reference as it is."""
        turned = self.convention.apply(state, pixel_size=pixel_size)
        return turned if self.frame is None else self.frame.apply(turned)

    def apply_to_poses(self, poses: Poses, *, pixel_size: float) -> Poses:
        """Return the same of poses without amplitudes."""
        still = torch.zeros(len(poses), 0, dtype=torch.float64)
        read = self.apply(State(poses.rotations, poses.shifts, still), pixel_size=pixel_size)
        return Poses(read.rotations, read.shifts)


def compare(first: Reading, second: Reading) -> Difference:
    """Return by how much the first explains an image better, image by image."""
    return average(first.gains - second.gains)


@dataclass(frozen=True)
class PoseTrial:
    """What was tried.

    Attributes
    ----------
    conventions
        Every convention, in the frame of the reference.
    random
        Random orientations.
    registered
        By the turns of :data:`TURNS`, in the best frame of each, unless it is hopeless.
    near
        As given, in the likeliest frame near the reference's own.
    chosen
        The simplest reading that none other beats.
    is_credible
        Whether that beats random orientations.
    pixel_size
        By which pixels and A were converted.
    n_images
        That were compared.
    """

    conventions: Mapping[Convention, Reading]
    random: Reading
    registered: Mapping[str, Reading]
    near: Reading
    chosen: Reading
    is_credible: bool
    pixel_size: float
    n_images: int

    @property
    def given(self) -> Reading:
        """The poses as they are."""
        return self.conventions[Convention()]


def try_poses(probe: Probe, state: State, *, pixel_size: float, seed: int) -> PoseTrial:
    """Compare ways to read the poses `state` of the probe's images; `pixel_size` (A) is that of the file."""
    fine = probe.make_projector()
    seen = probe.observe(fine, optics=probe.images.optics)
    gains = compare_conventions(seen, fine, state, pixel_size=pixel_size)
    conventions = {each: Reading(each, None, value) for each, value in gains.items()}
    random = Reading(Convention(), None, _try_random(seen, fine, state, seed=seed))
    coarse = probe.make_projector(COARSE * probe.gyration_radius)
    turned = {turn: Convention(turn).apply(state, pixel_size=pixel_size) for turn in TURNS}
    rough = {turn: _search(probe, each, seen=seen, coarse=coarse) for turn, each in turned.items()}
    best = max(float(each.gains.mean()) for each in rough.values())
    options = {"gyration_radius": probe.gyration_radius, "reach": probe.reach, "iterations": FINE_STEPS}
    registered = {}
    for turn, each in rough.items():
        if turn == GIVEN or float(each.gains.mean()) > CLOSE * best:
            found = refine_frame(seen, fine, turned[turn], each.frame, **options)
            registered[turn] = Reading(Convention(turn), found.frame, found.gains, found)
    near = refine_frame(seen, fine, state, make_identity(), **options)
    near = Reading(Convention(), near.frame, near.gains, near)
    chosen = _choose(conventions, near, registered)
    is_framed = chosen.frame is not None and chosen is not near
    credible = compare(chosen, random).z > (FRAME_BETTER if is_framed else BETTER)
    return PoseTrial(conventions, random, registered, near, chosen, credible, pixel_size, len(state))


def _choose(conventions: Mapping[Convention, Reading], near: Reading, registered: Mapping[str, Reading]) -> Reading:
    """Return the simplest reading that no other beats: as given, one change, two, a frame, a change and a frame."""
    given = conventions[Convention()]
    plain = given
    for wider in (_find_best(each for each in conventions.values() if each.convention.is_single), conventions.values()):
        best = wider if isinstance(wider, Reading) else _find_best(wider)
        plain = best if best.beats(plain, by=BETTER, worth=PLAIN_WORTH) else plain
    # A frame that hardly moves says that the poses are right, not that they are wrong.
    chosen = near if plain is given else plain
    for framed in (near, registered[GIVEN], _find_best(registered.values())):
        chosen = framed if framed.beats(chosen, by=FRAME_BETTER, worth=WORTH) else chosen
    return chosen


def _find_best(readings) -> Reading:
    return max(readings, key=lambda each: each.mean)


def _try_random(
    observations: Observations, projector: Projector, state: State, *, seed: int
) -> Float[Tensor, "images"]:
    """Return the log likelihood of each image at random orientations and its given shift, the mean of some draws."""
    generator = make_generator(seed, "random poses")
    draws = []
    for _ in range(RANDOM_DRAWS):
        rotations = make_random_rotations(len(state), generator=generator).to(state.rotations)
        random = State(rotations, state.shifts, state.amplitudes)
        draws.append(compute_agreement(observations, projector, random).compute_gains())
    return torch.stack(draws).mean(0)


def _search(probe: Probe, state: State, *, seen: Observations, coarse: Projector) -> Registration:
    """Search the frame of the poses on the coarse band, on some of the images."""
    some = torch.linspace(0, len(state) - 1, min(SEARCHED_IMAGES, len(state))).round().long().to(state.shifts.device)
    blurred, part = seen.select(some).restrict(coarse.band), state.select(some)
    gyration = probe.gyration_radius
    frames = search_frames(blurred, coarse, part, gyration_radius=gyration, n_rotations=FRAMES, kept=KEPT)
    options = {"gyration_radius": gyration, "reach": probe.reach}
    rough = [refine_frame(blurred, coarse, part, frame, iterations=COARSE_STEPS, **options) for frame in frames]
    return max(rough, key=lambda each: float(each.gains.mean()))
