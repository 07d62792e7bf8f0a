"""Answers of people to questions about images: what they were asked, what they said, and where it is kept."""
