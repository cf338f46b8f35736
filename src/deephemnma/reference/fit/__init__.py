"""Flexible fitting of a reference into a map: Gaussians and modes here, Fourier components of the map there."""
