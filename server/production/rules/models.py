"""The table of the rules. People edit it in the admin; no step writes it."""

from __future__ import annotations

import difflib
import re

from django.core.exceptions import ValidationError
from django.db import models

from server.pandaconfig.queries import unknown_queues
from server.production.reference.models import Site, TaskKind
from server.production.rules.actions import About, Action
from server.production.rules.match import DOUBLED, LONGEST
from server.production.states import MergeKind, TaskType

#: Larger ones are slips.
MOST_FACTOR = 10.0
#: What stands in regular expressions, and hardly in what programs say.
_EXPRESSION = re.compile(r"\.\*|\.\+|\\[dwsbDWSB.]|\(\?|^\^|\$$|\[[^\]]*-[^\]]*\][*+{]")


class ProductionRule(models.Model):
    """What becomes of chunks and merges whose jobs fail in one way. The first rule that fits a failure decides."""

    place = models.PositiveIntegerField(default=100, help_text="The lowest number is looked at first.")
    enabled = models.BooleanField(default=True)
    name = models.CharField(max_length=60, unique=True, help_text="Stands in the words of what it decides.")
    about = models.CharField(max_length=10, choices=About.choices, default=About.CHUNKS, help_text="Whose failures.")
    kind = models.CharField(
        max_length=10, blank=True, help_text="Merges of this kind only, such as mdst; empty: of any."
    )
    payload_error = models.IntegerField(
        null=True, blank=True, help_text="The payload's code (exeErrorCode); empty: any, or none."
    )
    pilot_error = models.IntegerField(
        null=True, blank=True, help_text="The pilot's code (pilotErrorCode); empty: any, or none."
    )
    words = models.CharField(
        max_length=200, blank=True, help_text="What stands in the error's words; * stands for any text."
    )
    task_type = models.CharField(max_length=30, blank=True, help_text="Tasks of this type only; empty: of any.")
    site = models.CharField(
        max_length=100, blank=True, help_text="Jobs at this site, or in this queue, only; empty: anywhere."
    )
    action = models.CharField(max_length=20, choices=Action.choices)
    delay = models.PositiveIntegerField(
        null=True, blank=True, help_text="Seconds before another attempt; empty: the task's retry_delay."
    )
    factor = models.FloatField(
        default=DOUBLED, help_text="With each attempt the wait is so many times as long, up to a day."
    )
    most_attempts = models.PositiveSmallIntegerField(
        default=0, help_text="Attempts at most, where the task may have more; 0: as many as the task has."
    )
    advice = models.CharField(max_length=300, blank=True, help_text="What the person is told who looks at it.")

    class Meta:
        ordering = ["place", "id"]
        verbose_name = "production rule"

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse a rule that could not do what it says.

        Raises:
            ValidationError: so it is; the fields' names are with the words.
        """
        wrong = {**self._slips_of_match(), **self._slips_of_action()}
        if wrong:
            raise ValidationError(wrong)

    def _slips_of_match(self) -> dict[str, str]:
        wrong = {}
        for field in ("payload_error", "pilot_error"):
            if getattr(self, field) == 0:
                wrong[field] = "0 is no error; leave it empty for any"
        if self.kind and self.kind not in MergeKind.values:
            wrong["kind"] = f"{self.kind!r} is no kind of merges; known are {', '.join(MergeKind.values)}"
        elif self.kind and self.about == About.CHUNKS:
            wrong["kind"] = "chunks have no kind; leave it empty, or let the rule be about merges"
        if self.words and not self.words.strip("* "):
            wrong["words"] = f"{self.words!r} stands in everything; leave it empty for any words"
        elif found := _EXPRESSION.search(self.words):
            wrong["words"] = (
                f"{found.group()!r} is taken letter by letter: this is no regular expression; write * for any text"
            )
        if not any((self.payload_error, self.pilot_error, self.words, self.task_type, self.site)):
            words = "a rule for every failure would hide all that follow it; give a code, words, a type or a site"
            wrong.setdefault("payload_error", words)
        return wrong | self._slips_of_place()

    def _slips_of_place(self) -> dict[str, str]:
        wrong = {}
        types = {*TaskType.values, *TaskKind.objects.values_list("word", flat=True)} if self.task_type else set()
        if self.task_type and self.task_type not in types:
            near = difflib.get_close_matches(self.task_type, types, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(types))}"
            wrong["task_type"] = f"{self.task_type!r} is no type of task; {hint}"
        if self.site and not Site.objects.filter(name=self.site).exists() and unknown_queues([self.site]):
            wrong["site"] = f"{self.site!r} is no site and no queue; the admin's pages Sites and Queues list them all"
        return wrong

    def _slips_of_action(self) -> dict[str, str]:
        wrong = {}
        if self.action == Action.STAGING and self.about != About.CHUNKS:
            wrong["action"] = "the inputs of merges come from no tape; let the rule be about jobs of chunks"
        if self.action == Action.LATER and not self.delay:
            wrong["delay"] = "say after how many seconds it is tried again"
        if self.delay is not None and self.delay > LONGEST:
            wrong["delay"] = f"{self.delay}: give seconds, at most {LONGEST:.0f}: nothing waits longer than a day"
        if not 1 <= self.factor <= MOST_FACTOR:  # a number that is none is not within, either
            wrong["factor"] = f"{self.factor:g} is not from 1 to {MOST_FACTOR:g}"
        return wrong
