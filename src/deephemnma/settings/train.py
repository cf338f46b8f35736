"""Options of training."""

from dataclasses import dataclass
from typing import Literal, get_args

from deephemnma.core.error import InputError
from deephemnma.settings.check import check_at_least, check_between, check_one_of, check_positive

TrainingImages = Literal["simulated", "estimates", "mixed"]
BackboneName = Literal["polar", "compact-resnet", "resnet34"]
Targets = Literal["joint", "separate"]
RotationOutput = Literal["distribution", "quaternion"]
Loss = Literal["l1", "l2"]
CtfCorrection = Literal["multiply", "flip"]
Schedule = Literal["one-cycle", "steps"]
Optimizer = Literal["adamw", "adam"]


@dataclass(frozen=True)
class TrainSettings:
    """How the network is built and trained. The defaults serve a CPU; `TRAIN_PRESETS` holds the paper's recipe."""

    training_images: TrainingImages = "simulated"
    """What the network learns from: "simulated" images of the reference, drawn afresh for every step with the data
    set's own CTFs, noise, contrast, amplitudes and shifts; the "estimates" and their images, rotated and shifted;
    or "mixed", simulated first and the estimates after."""
    backbone: BackboneName = "polar"
    """The part that turns an image into features: "polar" (knows what an in-plane rotation does; learns from ten times
    fewer images), "compact-resnet" or "resnet34"."""
    targets: Targets = "joint"
    """One network for rotation, shift and amplitudes ("joint"), or the paper's three ("separate")."""
    rotation: RotationOutput = "distribution"
    """A "distribution" over all rotations, with several hypotheses an image, or one unit "quaternion"."""
    loss: Loss = "l2"
    """Of shifts and amplitudes (and of quaternions): "l1" or "l2"."""
    ctf_correction: CtfCorrection = "multiply"
    """How images are corrected before the network: "multiply" by the CTF, or "flip" the phases."""
    network_box: int = 0
    """Side, pixels, of the Fourier-cropped images the network sees; 0 takes a pixel of about 2.6 A;
    never more than their own."""
    n_images: int = 300_000
    """Images shown in all."""
    n_epochs: int = 0
    """With "estimates": passes over the training images, in place of the number of images; 0 is off."""
    batch_size: int = 128
    """Images a step."""
    learning_rate: float = 4e-3
    """Greatest learning rate of the schedule."""
    schedule: Schedule = "one-cycle"
    """Learning rate: "one-cycle" (up, then down to nothing) or "steps" (a tenth after each fifth of the training)."""
    optimizer: Optimizer = "adamw"
    """"adamw", or "adam" with the weight decay inside the gradient."""
    weight_decay: float = 1e-2
    """Of the optimizer."""
    dropout: float = 0.0
    """Share of the units of the MLP heads left out in training, 0-1 (quaternion and separate networks)."""
    fine_tuning_share: float = 0.2
    """With "mixed": share of the images that come from the estimates, at the end, 0-1."""
    amplitude_jitter: float = 0.25
    """Spread added to amplitudes drawn from the estimates, in standard deviations of the estimates, 0 or more."""
    amplitude_range: float = 200.0
    """Where there are no estimates: amplitudes are drawn from plus or minus this many A."""
    shift_range: float = 5.0
    """Where there are no estimates: shifts x and y are drawn from plus or minus this many A."""
    max_validation_images: int = 512
    """At most so many images (and at most a tenth of the estimates where they are trained on) are kept to validate."""
    n_validations: int = 10
    """Validations spread over the training, the last at its end."""
    checkpoint_seconds: float = 30.0
    """Seconds between two checkpoints that a killed training resumes from."""

    def __post_init__(self) -> None:
        check_one_of("--training-images", self.training_images, get_args(TrainingImages))
        check_one_of("--backbone", self.backbone, get_args(BackboneName))
        check_one_of("--targets", self.targets, get_args(Targets))
        check_one_of("--rotation", self.rotation, get_args(RotationOutput))
        check_one_of("--loss", self.loss, get_args(Loss))
        check_one_of("--ctf-correction", self.ctf_correction, get_args(CtfCorrection))
        check_one_of("--schedule", self.schedule, get_args(Schedule))
        check_one_of("--optimizer", self.optimizer, get_args(Optimizer))
        check_at_least("--network-box", self.network_box, 0)
        if self.network_box % 2 or 0 < self.network_box < 8:
            raise InputError(f"--network-box must be 0 or an even number from 8, but {self.network_box} was given.")
        for option in ("n_images", "batch_size", "max_validation_images", "n_validations"):
            check_at_least(f"--{option.replace('_', '-')}", getattr(self, option), 1)
        check_at_least("--batch-size", self.batch_size, 2)
        for option in ("learning_rate", "amplitude_range", "shift_range"):
            check_positive(f"--{option.replace('_', '-')}", getattr(self, option))
        for option in ("n_epochs", "weight_decay", "amplitude_jitter", "checkpoint_seconds"):
            check_at_least(f"--{option.replace('_', '-')}", getattr(self, option), 0)
        check_between("--dropout", self.dropout, 0, 0.95)
        check_between("--fine-tuning-share", self.fine_tuning_share, 0, 1)
        if self.n_epochs and self.training_images != "estimates":
            raise InputError(
                f'--n-epochs needs --training-images estimates, for "{self.training_images}" images never repeat: '
                "give --n-images."
            )
        if self.targets == "separate" and self.rotation != "quaternion":
            raise InputError("--targets separate needs --rotation quaternion (the paper's networks).")
        if self.backbone == "polar" and self.rotation != "distribution":
            raise InputError("--backbone polar needs --rotation distribution; a quaternion needs a ResNet.")


TRAIN_PRESETS = {
    "default": TrainSettings(),
    "paper": TrainSettings(
        training_images="estimates",
        backbone="resnet34",
        targets="separate",
        rotation="quaternion",
        loss="l1",
        ctf_correction="flip",
        network_box=128,
        n_epochs=400,
        batch_size=2,
        learning_rate=1e-5,
        schedule="steps",
        optimizer="adam",
        weight_decay=1e-5,
        dropout=0.5,
    ),
}
"""Starting points by name; "paper" is Hamitouche & Jonic 2022: ResNet-34, three networks, L1, batches of 2."""
