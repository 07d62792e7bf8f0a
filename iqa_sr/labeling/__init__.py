"""Labeling by people: which question is asked next, what becomes of the answers, what they are worth."""
