"""What only this service knows: sessions, keys, acts on their way, catalogues, webhooks. No chain gives it back."""

from backend.records.connection import Records
from backend.records.tables import (
    Act,
    ActState,
    ApiKey,
    Base,
    Catalogue,
    CatalogueLine,
    CatalogueState,
    Delivery,
    DeliveryState,
    Invitation,
    LineState,
    NonceRange,
    Pin,
    Session,
    SignInNonce,
    Spending,
    Webhook,
)

__all__ = [
    "Act",
    "ActState",
    "ApiKey",
    "Base",
    "Catalogue",
    "CatalogueLine",
    "CatalogueState",
    "Delivery",
    "DeliveryState",
    "Invitation",
    "LineState",
    "NonceRange",
    "Pin",
    "Records",
    "Session",
    "SignInNonce",
    "Spending",
    "Webhook",
]
