from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils.timezone import now

from portal.accounts.jobs import forget_sessions
from portal.accounts.models import User
from tests.conftest import Browse


@pytest.mark.django_db
def test_the_worker_forgets_the_sessions_that_have_run_out(amir: User, vera: User, browse: Browse) -> None:
    gone, open_still = browse(amir).session.session_key, browse(vera).session.session_key
    Session.objects.filter(pk=gone).update(expire_date=now() - timedelta(hours=1))

    forget_sessions(timestamp=0)

    assert list(Session.objects.values_list("pk", flat=True)) == [open_still]
