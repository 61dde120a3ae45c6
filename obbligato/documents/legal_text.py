"""The template agreement of a licence, in plain language, filled from its terms.

Terms carry the digest of this text, so the text is made from other fields of the terms: the term,
the flags and the influence cap. Tiers and prices stay outside it and are referred to, because an
amendment that only adds tiers takes effect at once as long as the digest stays the same. It names
neither recording nor parties: many licences share one text.
"""

from __future__ import annotations

from collections.abc import Mapping

from obbligato.documents.canonical import sha256
from obbligato.documents.wording import TIER_MEANINGS, condition_sentences, tier_title
from obbligato.errors import DigestMismatch
from obbligato.rules.terms import RateCard, Terms, terms_of_cards
from obbligato.words import MAX_INFLUENCE_CAP_BPS, Flag, Tier

_UNKNOWN_DIGEST = b"\x01" * 32  # stands in until the text, which does not read it, is made

_TEMPLATE = """\
LICENCE OF A RECORDING FOR USE BY ARTIFICIAL INTELLIGENCE
Template agreement of Obbligato, edition 1

This is a template. It is not legal advice. Have it checked for your country before you rely on it.

1. Who agrees
The licensor is whoever holds the licence token. The licensee is a platform registered with the
protocol. The recording is the one that the document of the licence token names by its content hash.

2. What is allowed
There are six purposes:
{purposes}
The licensor opts in to each by itself. Those opted in to are recorded with their prices in the
terms of the licence on the chain, and the document of the licence repeats them. Every purpose that
is not recorded there is refused. Nothing else is granted: no ownership, no copyright, no right to
pass the licence on.

3. Prices
Prices are in the dollar token of the deployment, for one whole unit of use at full influence. Use
at less than full influence is counted in millionths of a unit and priced in proportion, rounded
down to a millionth of a dollar for each row of a report. What is not offered is not sold by the
meter.

4. Conditions
{conditions}

5. Time
Terms run from the moment they are recorded on the chain. The licensor may revoke: use is then
allowed until the running term ends, and not after. The licensor may amend: a change counts from the
next term, except that further purposes may be allowed at once. Use that was allowed when it
happened stays allowed and paid for.

6. Reports and payment
The licensee reports all use for every period, and says so when there was none. It pays from money
deposited beforehand. The prices are those in force at the first moment of the period at which the
purpose was allowed. What is paid is divided among the payees recorded for the licence.

7. Disagreement
A reported quantity may be challenged as the protocol provides. The arbiter named by the deployment
rules on quantities only. This agreement does not keep anybody from going to court.

8. Promises
The licensor promises to hold the rights that are licensed here. The licensee promises to report
completely and truthfully and to keep the evidence of its reports.

9. What the law of your country decides
Liability, taxes, the governing law and the rights of authors and performers that cannot be given
away are not settled by this template.
"""


def legal_text(terms: Terms) -> bytes:
    """The UTF-8 bytes of the agreement for these terms; tiers, rates and digest are not read."""
    return _TEMPLATE.format(
        purposes="\n".join(
            f"- {tier.value} {tier_title(tier)}: {TIER_MEANINGS[tier]}." for tier in Tier
        ),
        conditions="\n".join(f"- {sentence}" for sentence in condition_sentences(terms)),
    ).encode("utf-8")


def terms_with_legal_text(
    cards: Mapping[Tier, RateCard],
    *,
    term_days: int,
    flags: Flag,
    influence_cap_bps: int = MAX_INFLUENCE_CAP_BPS,
) -> Terms:
    """Terms from one rate card per opted-in tier, with the digest of their template agreement.

    Raises InputError as `Terms` does.
    """
    draft = terms_of_cards(
        dict(cards),
        term_days=term_days,
        flags=flags,
        influence_cap_bps=influence_cap_bps,
        text_digest=_UNKNOWN_DIGEST,
    )
    return draft.model_copy(update={"text_digest": sha256(legal_text(draft))})


def check_legal_text(terms: Terms, text: bytes) -> bytes:
    """`text`, once it is certain that it is the one the terms promise. Raises DigestMismatch."""
    found = sha256(text)
    if found != terms.text_digest:
        raise DigestMismatch("legal text", expected=terms.text_digest, found=found)
    return text
