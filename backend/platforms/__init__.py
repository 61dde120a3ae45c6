"""Platforms: their escrow, and their record of reporting and paying."""
