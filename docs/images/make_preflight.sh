#!/bin/sh
# Makes preflight.png: a set whose rotations are inverted on purpose. Run in an empty folder with 4ake_chain_a.pdb.
set -e
deephemnma simulate --reference 4ake_chain_a.pdb --modes 7-9 --count 300 --box-size 128 --pixel-size 0.8 --snr 0.05 \
  --defocus-um 1.5 --defocus-spread-um 0.5 --shift-range 4 --b-factor 60 --seed 3 -o atoms
python - <<'PYTHON'
from dataclasses import replace

from deephemnma.io.metadata.relion import write_particle_star
from deephemnma.io.particles import read_particles
from deephemnma.io.table import read_estimates

particles, truth = read_particles("atoms/particles.star"), read_estimates("atoms/truth.parquet")
poses = replace(truth.poses, rotations=truth.poses.rotations.mT)
given = replace(
    truth, poses=poses, amplitudes=truth.amplitudes[:, :0], mode_numbers=(), covariance=truth.covariance[:, 3:, 3:]
)
write_particle_star("inverted.star", table=particles.table, optics_table=particles.optics_table, estimates=given)
PYTHON
deephemnma preflight --particles inverted.star --reference 4ake_chain_a.pdb --modes 7-9 --sample 64 --effort quick \
  --orientations 1000 -o preflight
