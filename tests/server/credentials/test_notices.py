from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from server.credentials.models import Credential, Kind, Source
from server.credentials.notices import credential_expiring

pytestmark = pytest.mark.django_db


def test_a_credential_that_ends_soon_or_has_ended_is_told_of_once_a_day():
    now = timezone.now()
    for name, hours in (("good", 400), ("soon", 2), ("over", -1)):
        Credential.objects.create(
            name=name, kind=Kind.PROXY, source=Source.ENTERED, sealed=b"x", ends_at=now + timedelta(hours=hours),
            obtained_at=now - timedelta(hours=100), renew_ahead=21600,
        )  # fmt: skip
    found = {notice.subject: notice.text for notice in credential_expiring(now, now)}
    assert found == {"Credential soon: ends soon": "it has 2.0 hours left", "Credential over: ended": "it has ended"}
    keys = [notice.key for notice in credential_expiring(now, now)]
    assert keys == [notice.key for notice in credential_expiring(now, now)]
    assert not set(keys) & {notice.key for notice in credential_expiring(now, now + timedelta(days=1))}
