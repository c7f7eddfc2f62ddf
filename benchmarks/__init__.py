"""Measurements, each one command; `README.md` says what they found."""
