"""Making data: enhanced ground truths, patches, the sample data set, procedural images."""
