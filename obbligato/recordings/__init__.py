"""What says which recording a file is: its content hash and its fingerprint. The file stays where it is."""

from obbligato.recordings.fingerprints import NEAR, Comparison, Fingerprint, compare, fingerprint
from obbligato.recordings.hashing import content_hash

__all__ = ["NEAR", "Comparison", "Fingerprint", "compare", "content_hash", "fingerprint"]
