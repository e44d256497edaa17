"""The tree of shares as the admin takes it."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from server.pandaconfig.models import GlobalShare, UserLimits

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"parent": "NOWHERE"}, "'NOWHERE' is no share; add it first"),
        ({"parent": "Leaf"}, "'Top' is a part of this share itself|'Leaf' is a part"),
        ({"workinggroup": "["}, "no regular expression"),
        ({"name": "a/b"}, "without a slash"),
    ],
)
def test_a_slip_in_a_share_is_named(fields, words):
    GlobalShare.objects.create(name="Top", value=1)
    GlobalShare.objects.create(name="Leaf", value=1, parent="Top")
    share = GlobalShare(**{"name": "Top", "value": 1, **fields})
    with pytest.raises(ValidationError, match=words):
        share.full_clean(validate_unique=False)


def test_a_right_share_is_taken_and_said_by_its_name():
    GlobalShare.objects.create(name="Top", value=1)
    share = GlobalShare(name="Leaf", value=2, parent="Top", prodsourcelabel="user|panda")
    share.full_clean()
    assert (str(share), str(UserLimits(name="ada"))) == ("Leaf", "ada")
