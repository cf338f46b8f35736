"""`deephemnma modes`."""

from pathlib import Path

from tyro.conf import Positional

from deephemnma.cli.console import run_and_report
from deephemnma.cli.option import Flat, Output
from deephemnma.settings.molecule import MoleculeOptions
from deephemnma.settings.stage.modes import AnimationOptions, ModesStage

_MOLECULE, _ANIMATION = MoleculeOptions(), AnimationOptions()


def modes(
    reference: Positional[Path],
    /,
    molecule: Flat[MoleculeOptions] = _MOLECULE,
    animation: Flat[AnimationOptions] = _ANIMATION,
    *,
    output: Output,
) -> None:
    """Compute the normal modes of a structure or map.

    Parameters
    ----------
    reference
        Atomic model (PDB or mmCIF, plain or .gz) or EM map (.mrc, .map).
    """
    from deephemnma.pipeline.modes import run_modes

    settings = ModesStage(reference, molecule=molecule, animation=animation)
    run_and_report(
        run_modes, settings, output=output, advice="deephemnma simulate --reference {output} --modes 7-9 -o simulated"
    )
