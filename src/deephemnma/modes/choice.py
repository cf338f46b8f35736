"""Which modes to estimate: a proposal by a rule that can be said in a sentence."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.model import Modes
from deephemnma.modes.analysis import compute_collectivity
from deephemnma.modes.fluctuation import compute_variances, find_flexible
from deephemnma.modes.motion import Motion, compute_explained_share, explain_motion

LOWEST_COLLECTIVITY = 0.15
MOST_MODES = 6
KNOWN_SHARE = 0.9
"""Of what all modes at hand explain of a known motion."""
EXPECTED_SHARE = 0.75
"""Of the fluctuation that the modes at hand are expected to have, where no motion is known."""
LEAST_SEEN = 0.1
"""Share of the images in which a mode must be visible. Those that do not show it only have a wide error bar for it."""
TWIN = 0.99
"""Ratio of two modes' variances from which they are one motion of a symmetric molecule in two directions, of which
neither is more than a convention."""


@dataclass(frozen=True)
class Proposal:
    """Modes to estimate, and why.

    Attributes
    ----------
    numbers
        The users' numbers, ascending.
    share
        Of the motion (its mean square) that they hold, 0-1: of all of a known one, or of that expected of the modes at
        hand.
    reason
        The rule and how it came out, as a sentence.
    left_out
        Why others were not considered, by number.
    """

    numbers: tuple[int, ...]
    share: float
    reason: str
    left_out: Mapping[int, str] = field(default_factory=dict)


def propose_modes(
    modes: Modes,
    *,
    motion: Motion | None = None,
    seen: Mapping[int, float] | None = None,
    lowest_collectivity: float = LOWEST_COLLECTIVITY,
    most_modes: int = MOST_MODES,
) -> Proposal:
    """Propose the fewest modes that hold most of the motion; none where none is collective and seen.

    Modes that few sites take part in, and modes that hardly any image shows, are left out. Of the others those
    with the largest share of the motion come first, until they hold 90 % of what all modes at hand explain of a known
    motion, or, where none is known, 75 % of the fluctuation expected of the modes at hand (equipartition); of the
    latter, modes of one frequency come together.

    Parameters
    ----------
    modes
        All that are at hand.
    motion
        A known motion.
    seen
        Share of the images that show a mode, 0-1, by number; a mode that is not named counts as seen.
    lowest_collectivity
        Below it a mode counts as localized.
    most_modes
        To be proposed.

    Raises
    ------
    InputError
        If there are rigid modes only.
    """
    left_out = _find_left_out(modes, seen or {}, lowest_collectivity)
    rows = [row for row in _list_flexible(modes) if modes.numbers[row] not in left_out]
    if not _list_flexible(modes):
        raise InputError("There is no mode to propose but the rigid ones: compute more (--n-modes).")
    if not rows:
        return Proposal((), 0.0, _explain_none(modes, left_out, lowest_collectivity), left_out)
    weights = compute_variances(modes) if motion is None else explain_motion(modes, motion).overlaps.square()
    n_left, rows = len(rows), sorted(rows, key=lambda row: -float(weights[row]))[:most_modes]
    goal = _compute_goal(modes, motion, weights)
    shares = (_compute_share(modes, rows[:count], motion, weights) for count in range(1, len(rows) + 1))
    share, count = 0.0, 0
    while share < goal and count < len(rows):
        share, count = next(shares), count + 1
    while motion is None and count < len(rows) and weights[rows[count]] > TWIN * weights[rows[count - 1]]:
        share, count = next(shares), count + 1
    short = "" if share >= goal else _explain_shortage(n_left, most_modes)
    numbers = tuple(sorted(modes.numbers[row] for row in rows[:count]))
    return Proposal(numbers, share, _explain(modes, share, motion) + short, left_out)


def _list_flexible(modes: Modes) -> list[int]:
    return find_flexible(modes).nonzero()[:, 0].tolist()


def _find_left_out(modes: Modes, seen: Mapping[int, float], lowest_collectivity: float) -> dict[int, str]:
    collectivity = compute_collectivity(modes)
    reasons = {}
    for row in _list_flexible(modes):
        number = modes.numbers[row]
        if collectivity[row] < lowest_collectivity:
            reasons[number] = "localized"
        elif seen.get(number, 1.0) < LEAST_SEEN:
            reasons[number] = "not seen"
    return reasons


def _explain_none(modes: Modes, left_out: Mapping[int, str], lowest_collectivity: float) -> str:
    numbers = [modes.numbers[row] for row in _list_flexible(modes)]
    localized = sum(why == "localized" for why in left_out.values())
    unseen = f", {len(left_out) - localized} that images do not show" if localized < len(left_out) else ""
    return (
        f"none of modes {numbers[0]}-{numbers[-1]} is to be recommended: {localized} of {len(numbers)} are localized "
        f"(collectivity below {lowest_collectivity:g}, --lowest-collectivity){unseen}"
    )


def _explain_shortage(n_left: int, most_modes: int) -> str:
    if n_left > most_modes:
        return f"; the rest would take more than {most_modes} (--most-modes)"
    return "; no other collective mode that images show is among them: the rest of the motion is in modes left out"


def _compute_goal(modes: Modes, motion: Motion | None, weights: Float[Tensor, "modes"]) -> float:
    if motion is None:
        return EXPECTED_SHARE
    return KNOWN_SHARE * _compute_share(modes, _list_flexible(modes), motion, weights)


def _compute_share(modes: Modes, rows: list[int], motion: Motion | None, weights: Float[Tensor, "modes"]) -> float:
    """Return the share of the mean square motion that some modes hold together."""
    if motion is None:
        return float(weights[rows].sum() / weights.sum())
    return compute_explained_share(modes.select([modes.numbers[row] for row in rows]), motion)


def _explain(modes: Modes, share: float, motion: Motion | None) -> str:
    flexible = [modes.numbers[row] for row in _list_flexible(modes)]
    span = f"{flexible[0]}-{flexible[-1]}"
    if motion is None:
        return (
            f"the fewest collective modes that hold {EXPECTED_SHARE:.0%} of the fluctuation expected in modes {span}, "
            f"softest first: these hold {share:.0%}"
        )
    if motion.numbers is not None:
        return (
            f"the fewest modes that hold {KNOWN_SHARE:.0%} of the motion {motion.source} (others were not fitted), "
            f"largest overlap first: these hold {share:.0%} of it"
        )
    whole = compute_explained_share(modes.select(flexible), motion)
    return (
        f"the fewest modes that hold {KNOWN_SHARE:.0%} of what modes {span} explain ({whole:.0%}) of the motion "
        f"{motion.source}, largest overlap first: these hold {share:.0%} of the motion"
    )
