"""Maps from images of known pose: CTF-weighted Fourier inversion, half-maps, and the map of a model."""
