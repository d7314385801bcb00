"""Rated."""
