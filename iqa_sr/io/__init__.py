"""Files: images, image stores, tensor files, tables, text tables, atomic writes."""
