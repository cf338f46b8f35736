"""Conformation, orientation and shift of every cryo-EM particle.

Each command of the command line is a function here: ``run_estimate(EstimateStage(...), output="estimated")``. Names are
loaded when they are first used, so that importing the package is quick.
"""

from importlib import import_module, metadata

from deephemnma.settings.stage import STAGES

_HOME = (
    {f"{stage.title()}Stage": f"deephemnma.settings.stage.{stage}" for stage in STAGES}
    | {f"run_{stage}": f"deephemnma.pipeline.{stage}" for stage in STAGES}
    | {
        "run_report": "deephemnma.pipeline.reporting",
        "run_project": "deephemnma.pipeline.project",
        "RunStage": "deephemnma.settings.stage.run",
        "ReferenceOptions": "deephemnma.settings.stage.reference",
        "MoleculeOptions": "deephemnma.settings.molecule",
        "StructureOptions": "deephemnma.settings.structure",
        "PseudoatomOptions": "deephemnma.settings.pseudoatom",
        "NetworkOptions": "deephemnma.settings.network",
        "BasisOptions": "deephemnma.settings.basis",
        "ChoiceOptions": "deephemnma.settings.choice",
        "AnimationOptions": "deephemnma.settings.animation",
        "MovieOptions": "deephemnma.settings.animation",
        "DeformationOptions": "deephemnma.settings.animation",
        "PlannedImages": "deephemnma.settings.stage.observability",
        "ConformationOptions": "deephemnma.settings.stage.simulate",
        "ImageOptions": "deephemnma.settings.stage.simulate",
        "EstimateSettings": "deephemnma.settings.estimate",
        "FitSettings": "deephemnma.settings.fit",
        "TrainSettings": "deephemnma.settings.train",
        "PredictSettings": "deephemnma.settings.predict",
        "RefineSettings": "deephemnma.settings.refine",
        "LandscapeSettings": "deephemnma.settings.landscape",
        "GroupSettings": "deephemnma.settings.landscape",
        "ReconstructSettings": "deephemnma.settings.reconstruct",
        "InputError": "deephemnma.core.error",
        "read_estimates": "deephemnma.io.table",
        "read_particles": "deephemnma.io.particles",
        "read_reference": "deephemnma.io.reference",
        "read_landscape": "deephemnma.io.landscape",
    }
)


def __getattr__(name: str) -> object:
    """Load a public name from where it is defined."""
    if name == "__version__":
        return metadata.version("deephemnma")
    if name not in _HOME:
        raise AttributeError(f"module 'deephemnma' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*_HOME, "__version__"])
