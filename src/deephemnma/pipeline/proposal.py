"""Modes that are left to the program (``--modes auto``): proposed by `deephemnma modes`, or by its rule on the spot."""

from pathlib import Path

from deephemnma.core.error import InputError
from deephemnma.core.model import Modes
from deephemnma.io.atomic import read_json, write_json
from deephemnma.io.reference import holds_modes
from deephemnma.modes.choice import Proposal, propose_modes
from deephemnma.pipeline.note import note
from deephemnma.pipeline.progress import announce

PROPOSAL_FILE = "proposal.json"


def write_proposal(path: Path, proposal: Proposal) -> None:
    """Write a proposal as JSON."""
    content = {
        "modes": list(proposal.numbers),
        "share": proposal.share,
        "reason": proposal.reason,
        "left_out": {str(number): why for number, why in proposal.left_out.items()},
    }
    write_json(path, content)


def read_proposal(path: Path) -> Proposal:
    """Read what :func:`write_proposal` wrote.

    Raises
    ------
    InputError
        If something else is in the file.
    """
    content = read_json(path)
    try:
        left_out = {int(number): str(why) for number, why in content["left_out"].items()}
        numbers = tuple(int(number) for number in content["modes"])
        return Proposal(numbers, float(content["share"]), str(content["reason"]), left_out)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise InputError(f"{path} holds no proposal of modes: make it again with `deephemnma modes`.") from None


def choose_modes(modes: Modes, reference: Path) -> tuple[int, ...]:
    """Return the modes that are proposed, say which and why, and note them in the summary of the stage.

    Parameters
    ----------
    modes
        All that are at hand.
    reference
        Where they are from; the proposal that lies there, if any, goes before the rule.

    Raises
    ------
    InputError
        If none is proposed.
    """
    folder = reference if reference.is_dir() else reference.parent
    stored = folder / PROPOSAL_FILE
    proposal = read_proposal(stored) if holds_modes(reference) and stored.exists() else propose_modes(modes)
    if not proposal.numbers:
        raise InputError(f"--modes auto has no mode to take: {proposal.reason}. Name some with --modes.")
    numbers = format_numbers(proposal.numbers)
    announce(f"--modes auto takes {numbers}: {proposal.reason}. Name others with --modes.")
    note("modes (auto)", numbers)
    return proposal.numbers


def format_numbers(numbers: tuple[int, ...]) -> str:
    """Return mode numbers as `--modes` takes them: runs of three or more as ranges, ``7-9,11``."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    shown = [f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in parts]
    return ",".join(shown)
