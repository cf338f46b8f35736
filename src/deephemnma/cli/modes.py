"""`deephemnma modes`."""

from pathlib import Path

from tyro.conf import Positional

from deephemnma.cli.console import run_and_report
from deephemnma.cli.option import Flat, Output
from deephemnma.settings.animation import AnimationOptions
from deephemnma.settings.basis import BasisOptions
from deephemnma.settings.choice import ChoiceOptions
from deephemnma.settings.molecule import MoleculeOptions
from deephemnma.settings.stage.modes import ModesStage

_MOLECULE, _BASIS, _CHOICE, _ANIMATION = MoleculeOptions(), BasisOptions(), ChoiceOptions(), AnimationOptions()


def modes(
    reference: Positional[Path],
    /,
    molecule: Flat[MoleculeOptions] = _MOLECULE,
    basis: Flat[BasisOptions] = _BASIS,
    choice: Flat[ChoiceOptions] = _CHOICE,
    *,
    animation: Flat[AnimationOptions] = _ANIMATION,
    output: Output,
) -> None:
    """Compute the normal modes of a structure or map, and propose which to estimate.

    Parameters
    ----------
    reference
        Atomic model (PDB or mmCIF, plain or .gz) or EM map (.mrc, .map); or a folder that `deephemnma modes` wrote, to
        choose among its modes once more.
    """
    from deephemnma.pipeline.modes import TEXT, run_modes

    settings = ModesStage(reference, molecule=molecule, basis=basis, choice=choice, animation=animation)
    run_and_report(
        run_modes,
        settings,
        output=output,
        table=TEXT,
        advice="deephemnma simulate --reference {output} --modes {proposal} -o simulated",
    )
