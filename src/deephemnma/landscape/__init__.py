"""The conformational space of a set of images: reduction, groups, outliers, paths, free energy."""
