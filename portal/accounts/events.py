"""The kinds of events that the History Logs can hold, in the words they are shown in."""

from __future__ import annotations

from django.db import models


class EventKind(models.TextChoices):
    KEY_ISSUED = "key.issued", "Key issued"
    KEY_REVEALED = "key.revealed", "Key revealed"
    KEY_RENAMED = "key.renamed", "Key renamed"
    KEY_REVOKED = "key.revoked", "Key revoked"
    KEYS_EXPORTED = "keys.exported", "Keys exported"
    ALLOWLIST_ADDED = "allowlist.added", "Allowlist entry added"
    ALLOWLIST_REMOVED = "allowlist.removed", "Allowlist entry removed"
    NETWORK_KEY_GENERATED = "network_key.generated", "Network key generated"
    ENCRYPTION_KEY_ROTATED = "encryption_key.rotated", "Encryption key rotated"
    NETWORK_CHANGED = "network.changed", "Network settings changed"
    KEY_CEILING_CHANGED = "key.ceiling_changed", "Key's ceiling changed"
    LIMIT_CHANGED = "limit.changed", "Stricter limit changed"
    BUDGET_CHANGED = "budget.changed", "Rate-limit budget changed"
    LOG_RETENTION_CHANGED = "log.retention_changed", "API Log retention changed"
    LOG_EXPORTED = "log.exported", "API Log exported"
    PATTERN_DISMISSED = "pattern.dismissed", "Unusual pattern dismissed"
    NOTICE_POSTED = "notice.posted", "Notice posted"
    NOTICE_ENDED = "notice.ended", "Notice ended"
    PARTNER_CREATED = "partner.created", "Partner created"
    PARTNER_CHANGED = "partner.changed", "Partner changed"
    FLAG_RAISED = "flag.raised", "Flag raised"
    FLAG_CLOSED = "flag.closed", "Flag closed"
    ROLE_CREATED = "role.created", "Role created"
    ROLE_CHANGED = "role.changed", "Role changed"
    USER_INVITED = "user.invited", "User invited"
    INVITATION_REPEATED = "user.invitation_repeated", "Invitation sent again"
    USER_ROLE_CHANGED = "user.role_changed", "User's role changed"
    USER_DEACTIVATED = "user.deactivated", "User deactivated"
    USER_REACTIVATED = "user.reactivated", "User reactivated"
    SIGNED_IN = "user.signed_in", "Signed in"
    SIGN_IN_FAILED = "user.sign_in_failed", "Sign-in failed"
    SIGNED_OUT = "user.signed_out", "Signed out"
    PASSWORD_CHANGED = "user.password_changed", "Password changed"
    PASSWORD_RESET_REQUESTED = (
        "user.password_reset_requested",
        "Password reset requested",
    )
    PASSWORD_RESET = "user.password_reset", "Password reset"
    IMPERSONATION_STARTED = "impersonation.started", "Impersonation started"
    IMPERSONATION_ENDED = "impersonation.ended", "Impersonation ended"
    HISTORY_EXPORTED = "history.exported", "History Logs exported"
