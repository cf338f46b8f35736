"""Make noise.png of docs/prepare.md: three microscopes, three boxes and pixel sizes.

Run: python docs/images/make_noise.py /tmp/noise
"""

import shutil
import sys
from pathlib import Path

import pandas as pd
import starfile
import torch

from deephemnma.core.fourier import fourier_transform, inverse_fourier_transform, make_frequencies
from deephemnma.io.stack.writer import StackWriter
from deephemnma.pipeline.prepare import run_prepare
from deephemnma.settings.stage.prepare import PrepareStage

GROUPS = (("krios", 200, 64, 2.0, 8.0, 1.0), ("talos", 150, 96, 1.3, 12.0, 2.0), ("glacios", 60, 81, 1.7, 5.0, 0.5))
"""Name, images, box, pixel size (A), resolution where the noise falls (A) and its level."""

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
rows, groups = [], []
for number, (name, count, box, pixel, resolution, level) in enumerate(GROUPS, start=1):
    square = make_frequencies(box, pixel).square().sum(-1)
    spectrum = level * (0.2 + 1 / (1 + 9 * square * resolution**2))
    white = torch.randn(count, box, box, generator=torch.Generator().manual_seed(number))
    with StackWriter(folder / f"{name}.mrcs", box_size=box, pixel_size=pixel, count=count) as writer:
        writer.write(inverse_fourier_transform(fourier_transform(white) * spectrum.sqrt(), box_size=box))
    names = [f"{image:06d}@{name}.mrcs" for image in range(1, count + 1)]
    optics = {"rlnDefocusU": 10_000.0, "rlnDefocusV": 9_800.0, "rlnDefocusAngle": 30.0}
    rows.append(pd.DataFrame({"rlnImageName": names, "rlnOpticsGroup": number} | optics))
    microscope = {"rlnVoltage": 300.0, "rlnSphericalAberration": 2.7, "rlnAmplitudeContrast": 0.1}
    scale = {"rlnImagePixelSize": pixel, "rlnImageSize": box, "rlnImageDimensionality": 2}
    groups.append({"rlnOpticsGroup": number, "rlnOpticsGroupName": name} | microscope | scale)
starfile.write({"optics": pd.DataFrame(groups), "particles": pd.concat(rows)}, folder / "particles.star")
settings = PrepareStage(folder / "particles.star", normalize=False)
shutil.copy(run_prepare(settings, output=folder / "prepared") / "noise.png", Path(__file__).with_name("noise.png"))
