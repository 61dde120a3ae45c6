"""The `obbligato` command: thin commands over the library.

Exit codes: 0 yes, or all is well; 1 no, refused, or something differs; 2 the input is wrong;
3 documents are missing and nothing else differs; 4 the chain, the store or a service did not answer.
"""

from obbligato.cli.app import main

__all__ = ["main"]
