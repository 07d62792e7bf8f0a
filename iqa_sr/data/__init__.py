"""Multi-ground-truth data: records and their manifest, storage, the data set, and the preparation of data."""
