"""The model card of an experiment: what is known of the model, as a page in Markdown and an entry of OpenModelDB."""
