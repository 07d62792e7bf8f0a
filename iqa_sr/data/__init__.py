"""Data on disk: layouts of data sets, their records, labels and problems, and the making of data."""
