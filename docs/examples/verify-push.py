import hashlib
import hmac
import time


def is_from_latchkey(body, header, secret, now=None):
    """Whether a pushed batch is genuine: its bytes as they arrived, its Latchkey-Signature, and your secret."""
    parts = [part.split("=", 1) for part in header.split(",")]
    sent_at = int(next(value for name, value in parts if name == "t"))
    if abs((now or time.time()) - sent_at) > 300:
        return False  # somebody repeats an old one
    expected = hmac.new(secret.encode(), b"%d." % sent_at + body, hashlib.sha256).hexdigest()
    # While a new secret replaces an old one there are two v1, and either may be yours.
    return any(name == "v1" and hmac.compare_digest(value, expected) for name, value in parts)
