"""Bare interpreter."""
