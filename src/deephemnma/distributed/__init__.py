"""Devices, blocks of image ids, and processes that work through them; no science."""
