"""The HTML report: folders to data, data to a page."""
