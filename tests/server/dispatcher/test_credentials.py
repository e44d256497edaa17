"""What is not handed out is refused with the reason, in both dialects with the same words."""

from __future__ import annotations

import pytest

ASKS = {
    "get_proxy": {"role": "pilot"},
    "get_key_pair": {"public_key_name": "a", "private_key_name": "b"},
    "get_access_token": {"client_name": "pilot_server", "token_key": "secret-of-mine"},
    "get_token_key": {"client_name": "pilot_server"},
}


@pytest.mark.parametrize("name", ASKS)
def test_there_is_none_and_nothing_of_the_question_is_told(db, pilot, name):
    headers = {"Authorization": f"Bearer {pilot.token}"}
    answer = pilot.client.get(f"/api/v1/creds/{name}", ASKS[name], headers=headers).json()
    assert (answer["success"], answer["data"]) == (False, None)
    assert answer["message"].startswith("this server hands out no ")
    assert "secret-of-mine" not in str(answer)
