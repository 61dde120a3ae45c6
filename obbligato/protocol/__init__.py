"""The rules of the protocol as pure functions: no clock, no network, no files."""
<<<<<<< HEAD
=======

from obbligato.protocol.grants import Grant
from obbligato.protocol.history import LicenseHistory, Version
from obbligato.protocol.pricing import (
    Offer,
    OfferOf,
    Priced,
    metered_amount,
    pool_amounts,
    pool_weight,
    price_rows,
)
from obbligato.protocol.quorum import (
    SIGNATURE_BYTES,
    check_signature,
    pack_signatures,
    quorum,
    recover_signer,
    recover_signers,
    unpack_signatures,
)
from obbligato.protocol.rows import (
    CREDIT_BYTES,
    ROW_BYTES,
    Credit,
    Row,
    check_rows,
    credits_digest,
    pack_credits,
    pack_rows,
    rows_digest,
    unpack_credits,
    unpack_rows,
)
from obbligato.protocol.rulings import (
    ContestedRow,
    MeteredPrice,
    PoolPrice,
    Ruling,
    Winner,
    bond,
    rule,
)
from obbligato.protocol.splits import Payee, Split, divide, entitlement
from obbligato.protocol.terms import PeriodTerms, RateCard, Terms, terms_of_cards

__all__ = [
    "CREDIT_BYTES",
    "ROW_BYTES",
    "SIGNATURE_BYTES",
    "ContestedRow",
    "Credit",
    "Grant",
    "LicenseHistory",
    "MeteredPrice",
    "Offer",
    "OfferOf",
    "Payee",
    "PeriodTerms",
    "PoolPrice",
    "Priced",
    "RateCard",
    "Row",
    "Ruling",
    "Split",
    "Terms",
    "Version",
    "Winner",
    "bond",
    "check_rows",
    "check_signature",
    "credits_digest",
    "divide",
    "entitlement",
    "metered_amount",
    "pack_credits",
    "pack_rows",
    "pack_signatures",
    "pool_amounts",
    "pool_weight",
    "price_rows",
    "quorum",
    "recover_signer",
    "recover_signers",
    "rows_digest",
    "rule",
    "terms_of_cards",
    "unpack_credits",
    "unpack_rows",
    "unpack_signatures",
]
>>>>>>> 1c54bfe (A period answers to the terms of its own time: at most 31 days, the dearer of its first and last terms, prices that rise with thirty days' notice)
