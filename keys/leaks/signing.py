"""Whether a report comes from whom it says: GitHub signs the raw body with ECDSA over P-256 and SHA-256, and names the
public key that it can be checked with. Those keys are configured, or the worker fetches them now and then; nothing is
ever fetched because a report came in."""

from __future__ import annotations

import base64
from functools import lru_cache
from urllib.request import HTTPRedirectHandler, Request, build_opener

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.db import transaction
from django.utils.timezone import now
from pydantic import BaseModel, Field

from keys.leaks.models import SigningKey

TIMEOUT_SECONDS = 20
MOST_BYTES = 256 * 1024


class NotSigned(Exception):
    """The report does not come from whom it says; the message is for the log alone."""


class BadSigningKey(ValueError):
    """A public key cannot be read, or is not one on the curve P-256."""


class Listed(BaseModel):
    identifier: str = Field(alias="key_identifier", min_length=1, max_length=200)
    public_key: str = Field(alias="key")
    is_current: bool


class Listing(BaseModel):
    public_keys: list[Listed] = Field(min_length=1, max_length=100)


class NoRedirect(HTTPRedirectHandler):
    """Whoever could send us elsewhere, over plain HTTP for example, could have us believe another's signatures."""

    def redirect_request(self, *given: object) -> None:
        return None


def ensure_signed(body: bytes, *, identifier: str, signature: str) -> None:
    """:raises NotSigned: when the signature is missing, of a key that is not known or no longer current, or wrong"""
    if not identifier or not signature:
        raise NotSigned("it has no signature")
    key = key_called(identifier)
    try:
        key.verify(base64.b64decode(signature, validate=True), body, ECDSA(SHA256()))
    except ValueError:
        raise NotSigned("its signature is not base64") from None
    except InvalidSignature:
        raise NotSigned("its signature does not fit what it says") from None


def key_called(identifier: str) -> EllipticCurvePublicKey:
    configured = configured_keys(tuple(settings.LEAK_SIGNING_KEYS)).get(identifier)
    if configured is not None:
        return configured
    known = SigningKey.objects.filter(identifier=identifier).first()
    if known is None:
        raise NotSigned("the key it names is not known")
    if not known.is_current:
        raise NotSigned("the key it names is no longer in use")
    return read_pem(known.public_key)


@lru_cache(maxsize=8)
def configured_keys(entries: tuple[str, ...]) -> dict[str, EllipticCurvePublicKey]:
    """:raises BadSigningKey: when LEAK_SIGNING_KEYS cannot be read"""
    found = {}
    for entry in entries:
        identifier, separator, encoded = entry.strip().partition(":")
        if not identifier or not separator:
            raise BadSigningKey("Each of LEAK_SIGNING_KEYS is IDENTIFIER:KEY.")
        # What a PEM file has between its first line and its last.
        found[identifier] = read_pem(f"-----BEGIN PUBLIC KEY-----\n{encoded}\n-----END PUBLIC KEY-----\n")
    return found


def read_pem(text: str) -> EllipticCurvePublicKey:
    """:raises BadSigningKey: when it is no public key on P-256"""
    try:
        key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise BadSigningKey("It is no public key in PEM format.") from None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise BadSigningKey("It is no public key on the curve P-256.")
    return key


def fetch(url: str) -> list[Listed]:
    """The public keys that are listed at ``url``, all of them good.

    :raises OSError, HTTPException: when nobody answers, or with something else than a success
    :raises ValueError: when what is answered is no such list
    """
    request = Request(url, headers={"Accept": "application/json", "User-Agent": "Latchkey"})  # noqa: S310  see E005
    with build_opener(NoRedirect).open(request, timeout=TIMEOUT_SECONDS) as answer:
        listed = Listing.model_validate_json(answer.read(MOST_BYTES)).public_keys
    for each in listed:
        read_pem(each.public_key)
    return listed


@transaction.atomic
def keep(listed: list[Listed]) -> None:
    """Takes over the list: what is not on it any more signs nothing any more."""
    at = now()
    for each in listed:
        seen = {"public_key": each.public_key, "is_current": each.is_current, "listed_at": at}
        SigningKey.objects.update_or_create(identifier=each.identifier, defaults=seen)
    SigningKey.objects.filter(listed_at__lt=at).delete()


@register()
def signing_keys_can_be_read(app_configs: object, **kwargs: object) -> list[CheckMessage]:
    errors: list[CheckMessage] = []
    hint = "docs/operations.md says where they come from."
    try:
        configured_keys(tuple(settings.LEAK_SIGNING_KEYS))
    except BadSigningKey as error:
        errors.append(Error(f"LEAK_SIGNING_KEYS cannot be read: {error}", hint=hint, id="latchkey.E005"))
    url = settings.LEAK_SIGNING_KEYS_URL
    if url and not url.startswith("https://"):
        errors.append(Error("LEAK_SIGNING_KEYS_URL is no https:// address.", hint=hint, id="latchkey.E005"))
    return errors
