"""Elastic and rigid 3D-to-2D alignment: search, refinement, error bars, status."""
