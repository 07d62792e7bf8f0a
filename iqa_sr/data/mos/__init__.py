"""Data sets of mean opinion scores (MOS) as they lie on disk."""
