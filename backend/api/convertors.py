"""Parts of paths that are told apart from words by what they look like."""

from __future__ import annotations

from starlette.convertors import Convertor


class IdConvertor(Convertor[str]):
    """A random name: 16 bytes in hexadecimal digits."""

    regex = "[0-9a-f]{32}"

    def convert(self, value: str) -> str:
        """As it is."""
        return value

    def to_string(self, value: str) -> str:
        """As it is."""
        return value
