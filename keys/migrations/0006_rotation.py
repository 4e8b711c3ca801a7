from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

# As it was, and one thing more: the first call that a successor opens begins the grace period of the key it replaces.
# It happens in the call's own decision, so that no worker has to come round for the old key to end in time.
ADMIT = """
CREATE OR REPLACE FUNCTION keys_admit(
    digests bytea[], addresses inet[], realms text[],
    limit_names text[], limit_requests integer[], limit_seconds integer[]
) RETURNS TABLE (
    ordinal integer, verdict text, key_id bigint, key_hint text, partner_id bigint,
    limited_by text, tightest text, quota integer, per_seconds integer, remaining integer, resets_in double precision
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    candidate record;
    moment timestamptz;
    network_quota integer := 60;
    network_seconds integer := 60;
    network_used integer;
    network_start timestamptz;
    last_start timestamptz;
    is_locked boolean := false;
    named_quota integer;
    named_seconds integer;
    named_used integer;
    named_start timestamptz;
    ceiling_used integer;
    used_keys bigint[] := '{}';
    used_from inet[] := '{}';
    begun bigint[] := '{}';
BEGIN
    FOR candidate IN
        SELECT asked.*, k.id AS key_id, k.realm AS key_realm, k.hint AS key_hint, k.partner_id AS partner_id,
            k.revoked_at AS revoked_at, k.expires_at AS expires_at, k.ceiling AS ceiling,
            k.replaces_id IS NOT NULL AND k.last_used_at IS NULL AS is_successor,
            NOT EXISTS (SELECT FROM keys_allowlistentry e WHERE e.key_id = k.id)
            OR EXISTS (
                SELECT FROM keys_allowlistentry e WHERE e.key_id = k.id AND e.network >>= asked.address
            ) AS is_allowed
        FROM unnest(digests, addresses, realms, limit_names, limit_requests, limit_seconds) WITH ORDINALITY
            AS asked (digest, address, realm, limit_name, requests, seconds, ordinal)
        LEFT JOIN keys_key k ON k.digest = asked.digest
        ORDER BY asked.ordinal
    LOOP
        ordinal := candidate.ordinal;
        key_id := candidate.key_id;
        key_hint := candidate.key_hint;
        partner_id := candidate.partner_id;
        limited_by := '';
        tightest := '';
        quota := NULL;
        per_seconds := NULL;
        remaining := NULL;
        resets_in := NULL;
        verdict := CASE
            WHEN candidate.key_id IS NULL THEN 'unknown_key'
            WHEN candidate.revoked_at IS NOT NULL THEN 'revoked_key'
            WHEN candidate.expires_at <= clock_timestamp() THEN 'expired_key'
            WHEN candidate.key_realm <> candidate.realm THEN 'wrong_realm'
            WHEN NOT candidate.is_allowed THEN 'ip_denied'
            ELSE 'ok'
        END;
        IF verdict = 'ok' THEN
            IF NOT is_locked THEN
                LOOP
                    SELECT w.used, w.started_at INTO network_used, network_start
                    FROM keys_window w WHERE w.scope = 'network' FOR UPDATE;
                    EXIT WHEN FOUND;
                    INSERT INTO keys_window VALUES ('network', 'epoch', 0) ON CONFLICT DO NOTHING;
                END LOOP;
                SELECT n.budget_requests, n.budget_seconds INTO network_quota, network_seconds
                FROM network_network n WHERE n.id = 1;
                network_quota := coalesce(network_quota, 60);
                network_seconds := coalesce(network_seconds, 60);
                -- The time is taken under the lock: a wait for it must not count a call into a window that is over.
                moment := clock_timestamp();
                last_start := network_start;
                network_start := keys_window_start(moment, network_seconds, last_start);
                IF network_start <> last_start THEN
                    network_used := 0;
                END IF;
                is_locked := true;
                -- This commit need not reach the disk by itself. A call is answered only after its row in the API Log
                -- was committed to disk, and the write-ahead log keeps order: that row takes this one with it.
                PERFORM set_config('synchronous_commit', 'off', true);
            END IF;

            tightest := 'network';
            quota := network_quota;
            per_seconds := network_seconds;
            remaining := greatest(network_quota - network_used, 0);
            resets_in := network_seconds - extract(epoch FROM moment - network_start);
            IF remaining = 0 THEN
                limited_by := 'network';
            END IF;

            IF candidate.ceiling IS NOT NULL AND limited_by = '' THEN
                SELECT w.used INTO ceiling_used FROM keys_window w
                WHERE w.scope = 'key:' || candidate.key_id AND w.started_at = network_start;
                ceiling_used := coalesce(ceiling_used, 0);
                IF candidate.ceiling - ceiling_used < remaining THEN
                    tightest := 'key';
                    quota := candidate.ceiling;
                    remaining := greatest(candidate.ceiling - ceiling_used, 0);
                END IF;
                IF remaining = 0 THEN
                    limited_by := 'key';
                END IF;
            END IF;

            IF candidate.limit_name <> '' AND limited_by = '' THEN
                SELECT l.requests, l.seconds INTO named_quota, named_seconds
                FROM keys_operationlimit l WHERE l.name = candidate.limit_name;
                named_quota := coalesce(named_quota, candidate.requests);
                named_seconds := coalesce(named_seconds, candidate.seconds);
                SELECT w.used, w.started_at INTO named_used, last_start FROM keys_window w
                WHERE w.scope = 'operation:' || candidate.limit_name;
                named_start := keys_window_start(moment, named_seconds, last_start);
                IF last_start IS DISTINCT FROM named_start THEN
                    named_used := 0;
                END IF;
                IF named_quota - named_used < remaining THEN
                    tightest := candidate.limit_name;
                    quota := named_quota;
                    per_seconds := named_seconds;
                    remaining := greatest(named_quota - named_used, 0);
                    resets_in := named_seconds - extract(epoch FROM moment - named_start);
                END IF;
                IF remaining = 0 THEN
                    limited_by := candidate.limit_name;
                END IF;
            END IF;

            IF limited_by <> '' THEN
                verdict := 'rate_limited';
            ELSE
                network_used := network_used + 1;
                remaining := remaining - 1;
                IF candidate.ceiling IS NOT NULL THEN
                    INSERT INTO keys_window VALUES ('key:' || candidate.key_id, network_start, 1)
                    ON CONFLICT (scope) DO UPDATE SET started_at = network_start, used = ceiling_used + 1;
                END IF;
                IF candidate.limit_name <> '' THEN
                    INSERT INTO keys_window VALUES ('operation:' || candidate.limit_name, named_start, 1)
                    ON CONFLICT (scope) DO UPDATE SET started_at = named_start, used = named_used + 1;
                END IF;
            END IF;
            used_keys := used_keys || candidate.key_id;
            used_from := used_from || candidate.address;
            IF candidate.is_successor THEN
                begun := begun || candidate.key_id;
            END IF;
        END IF;
        RETURN NEXT;
    END LOOP;

    IF is_locked THEN
        UPDATE keys_window w SET used = network_used, started_at = network_start
        WHERE w.scope = 'network' AND (w.used, w.started_at) IS DISTINCT FROM (network_used, network_start);
        UPDATE keys_key k SET last_used_at = moment, last_used_ip = latest.address
        FROM (
            SELECT DISTINCT ON (use.key_id) use.key_id, use.address
            FROM unnest(used_keys, used_from) WITH ORDINALITY AS use (key_id, address, ordinal)
            ORDER BY use.key_id, use.ordinal DESC
        ) latest
        WHERE k.id = latest.key_id AND k.id IN (
            SELECT free.id FROM keys_key free
            WHERE free.id = ANY (used_keys)
                AND (free.last_used_at IS NULL OR free.last_used_at < moment - interval '1 minute')
            FOR UPDATE SKIP LOCKED
        );
        IF begun <> '{}' THEN
            UPDATE keys_key old SET expires_at = moment + make_interval(secs => successor.grace_seconds)
            FROM keys_key successor
            WHERE successor.id = ANY (begun) AND old.id = successor.replaces_id AND old.revoked_at IS NULL
                AND coalesce(old.expires_at, 'infinity') > moment + make_interval(secs => successor.grace_seconds);
        END IF;
    END IF;
END
$$;
"""

BEFORE = """
CREATE OR REPLACE FUNCTION keys_admit(
    digests bytea[], addresses inet[], realms text[],
    limit_names text[], limit_requests integer[], limit_seconds integer[]
) RETURNS TABLE (
    ordinal integer, verdict text, key_id bigint, key_hint text, partner_id bigint,
    limited_by text, tightest text, quota integer, per_seconds integer, remaining integer, resets_in double precision
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    candidate record;
    moment timestamptz;
    network_quota integer := 60;
    network_seconds integer := 60;
    network_used integer;
    network_start timestamptz;
    last_start timestamptz;
    is_locked boolean := false;
    named_quota integer;
    named_seconds integer;
    named_used integer;
    named_start timestamptz;
    ceiling_used integer;
    used_keys bigint[] := '{}';
    used_from inet[] := '{}';
BEGIN
    FOR candidate IN
        SELECT asked.*, k.id AS key_id, k.realm AS key_realm, k.hint AS key_hint, k.partner_id AS partner_id,
            k.revoked_at AS revoked_at, k.expires_at AS expires_at, k.ceiling AS ceiling,
            NOT EXISTS (SELECT FROM keys_allowlistentry e WHERE e.key_id = k.id)
            OR EXISTS (
                SELECT FROM keys_allowlistentry e WHERE e.key_id = k.id AND e.network >>= asked.address
            ) AS is_allowed
        FROM unnest(digests, addresses, realms, limit_names, limit_requests, limit_seconds) WITH ORDINALITY
            AS asked (digest, address, realm, limit_name, requests, seconds, ordinal)
        LEFT JOIN keys_key k ON k.digest = asked.digest
        ORDER BY asked.ordinal
    LOOP
        ordinal := candidate.ordinal;
        key_id := candidate.key_id;
        key_hint := candidate.key_hint;
        partner_id := candidate.partner_id;
        limited_by := '';
        tightest := '';
        quota := NULL;
        per_seconds := NULL;
        remaining := NULL;
        resets_in := NULL;
        verdict := CASE
            WHEN candidate.key_id IS NULL THEN 'unknown_key'
            WHEN candidate.revoked_at IS NOT NULL THEN 'revoked_key'
            WHEN candidate.expires_at <= clock_timestamp() THEN 'expired_key'
            WHEN candidate.key_realm <> candidate.realm THEN 'wrong_realm'
            WHEN NOT candidate.is_allowed THEN 'ip_denied'
            ELSE 'ok'
        END;
        IF verdict = 'ok' THEN
            IF NOT is_locked THEN
                LOOP
                    SELECT w.used, w.started_at INTO network_used, network_start
                    FROM keys_window w WHERE w.scope = 'network' FOR UPDATE;
                    EXIT WHEN FOUND;
                    INSERT INTO keys_window VALUES ('network', 'epoch', 0) ON CONFLICT DO NOTHING;
                END LOOP;
                SELECT n.budget_requests, n.budget_seconds INTO network_quota, network_seconds
                FROM network_network n WHERE n.id = 1;
                network_quota := coalesce(network_quota, 60);
                network_seconds := coalesce(network_seconds, 60);
                -- The time is taken under the lock: a wait for it must not count a call into a window that is over.
                moment := clock_timestamp();
                last_start := network_start;
                network_start := keys_window_start(moment, network_seconds, last_start);
                IF network_start <> last_start THEN
                    network_used := 0;
                END IF;
                is_locked := true;
                -- This commit need not reach the disk by itself. A call is answered only after its row in the API Log
                -- was committed to disk, and the write-ahead log keeps order: that row takes this one with it.
                PERFORM set_config('synchronous_commit', 'off', true);
            END IF;

            tightest := 'network';
            quota := network_quota;
            per_seconds := network_seconds;
            remaining := greatest(network_quota - network_used, 0);
            resets_in := network_seconds - extract(epoch FROM moment - network_start);
            IF remaining = 0 THEN
                limited_by := 'network';
            END IF;

            IF candidate.ceiling IS NOT NULL AND limited_by = '' THEN
                SELECT w.used INTO ceiling_used FROM keys_window w
                WHERE w.scope = 'key:' || candidate.key_id AND w.started_at = network_start;
                ceiling_used := coalesce(ceiling_used, 0);
                IF candidate.ceiling - ceiling_used < remaining THEN
                    tightest := 'key';
                    quota := candidate.ceiling;
                    remaining := greatest(candidate.ceiling - ceiling_used, 0);
                END IF;
                IF remaining = 0 THEN
                    limited_by := 'key';
                END IF;
            END IF;

            IF candidate.limit_name <> '' AND limited_by = '' THEN
                SELECT l.requests, l.seconds INTO named_quota, named_seconds
                FROM keys_operationlimit l WHERE l.name = candidate.limit_name;
                named_quota := coalesce(named_quota, candidate.requests);
                named_seconds := coalesce(named_seconds, candidate.seconds);
                SELECT w.used, w.started_at INTO named_used, last_start FROM keys_window w
                WHERE w.scope = 'operation:' || candidate.limit_name;
                named_start := keys_window_start(moment, named_seconds, last_start);
                IF last_start IS DISTINCT FROM named_start THEN
                    named_used := 0;
                END IF;
                IF named_quota - named_used < remaining THEN
                    tightest := candidate.limit_name;
                    quota := named_quota;
                    per_seconds := named_seconds;
                    remaining := greatest(named_quota - named_used, 0);
                    resets_in := named_seconds - extract(epoch FROM moment - named_start);
                END IF;
                IF remaining = 0 THEN
                    limited_by := candidate.limit_name;
                END IF;
            END IF;

            IF limited_by <> '' THEN
                verdict := 'rate_limited';
            ELSE
                network_used := network_used + 1;
                remaining := remaining - 1;
                IF candidate.ceiling IS NOT NULL THEN
                    INSERT INTO keys_window VALUES ('key:' || candidate.key_id, network_start, 1)
                    ON CONFLICT (scope) DO UPDATE SET started_at = network_start, used = ceiling_used + 1;
                END IF;
                IF candidate.limit_name <> '' THEN
                    INSERT INTO keys_window VALUES ('operation:' || candidate.limit_name, named_start, 1)
                    ON CONFLICT (scope) DO UPDATE SET started_at = named_start, used = named_used + 1;
                END IF;
            END IF;
            used_keys := used_keys || candidate.key_id;
            used_from := used_from || candidate.address;
        END IF;
        RETURN NEXT;
    END LOOP;

    IF is_locked THEN
        UPDATE keys_window w SET used = network_used, started_at = network_start
        WHERE w.scope = 'network' AND (w.used, w.started_at) IS DISTINCT FROM (network_used, network_start);
        UPDATE keys_key k SET last_used_at = moment, last_used_ip = latest.address
        FROM (
            SELECT DISTINCT ON (use.key_id) use.key_id, use.address
            FROM unnest(used_keys, used_from) WITH ORDINALITY AS use (key_id, address, ordinal)
            ORDER BY use.key_id, use.ordinal DESC
        ) latest
        WHERE k.id = latest.key_id AND k.id IN (
            SELECT free.id FROM keys_key free
            WHERE free.id = ANY (used_keys)
                AND (free.last_used_at IS NULL OR free.last_used_at < moment - interval '1 minute')
            FOR UPDATE SKIP LOCKED
        );
    END IF;
END
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("keys", "0005_a_submission_issues_one_key_of_its_partner")]

    operations = [
        migrations.AddField(
            model_name="key",
            name="replaces",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="successors",
                to="keys.key",
            ),
        ),
        migrations.AddField(model_name="key", name="grace_seconds", field=models.PositiveIntegerField(null=True)),
        migrations.AddConstraint(
            model_name="key",
            constraint=models.CheckConstraint(
                condition=Q(replaces=None, grace_seconds=None)
                | Q(realm="affiliate", replaces__isnull=False, grace_seconds__isnull=False, grace_seconds__lte=604800),
                name="successor_of_a_partner_key_has_a_grace_period",
            ),
        ),
        migrations.AddConstraint(
            model_name="key",
            constraint=models.UniqueConstraint(
                fields=["replaces"], condition=Q(revoked_at=None), name="key_has_one_successor"
            ),
        ),
        migrations.RunSQL(ADMIT, BEFORE),
    ]
