"""Licences, their terms and their grants as the chain's events tell: see `LicenseBook`."""

from obbligato.consent.book import LicenseBook

__all__ = ["LicenseBook"]
