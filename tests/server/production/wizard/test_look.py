"""What is told of other tasks' slots: how many there are, and the first one that is free among all of them."""

from __future__ import annotations

from server.production.wizard.look import SLOTS, told_of_slots


def test_slots_that_are_taken_are_told_with_the_first_that_is_free():
    assert "every slot is free" in told_of_slots([])
    assert told_of_slots([(0, "7", "a"), (2, "8", "b")]) == (
        "taken, for their runs: 0 (PHAST 7) by a, 2 (PHAST 8) by b; 1 is free"
    )


def test_of_many_slots_the_number_of_the_rest_is_told():
    taken = [(slot, "7", f"t{slot}") for slot in range(SLOTS + 3)]
    assert "by t19 and 3 more; 23 is free" in told_of_slots(taken)
    assert "more" not in told_of_slots(taken[:SLOTS])


def test_many_tasks_in_one_slot_hide_no_other_that_is_taken():
    taken = [(0, "7", f"t{number}") for number in range(SLOTS)] + [(1, "7", "last")]
    assert told_of_slots(taken).endswith("and 1 more; 2 is free")
