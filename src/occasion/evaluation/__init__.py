"""Evaluation: honest offline figures."""
