"""Forms of sites, types of task, templates and releases: what no task could use is refused, also in files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django import forms

from server.production.limits import SCOPES
from server.production.reference import checks
from server.production.reference.models import Site, SoftwareRelease, TaskKind, Template


class CheckedForm(forms.ModelForm):  # type: ignore[type-arg]
    """A row whose fields are held against the rest of the system; its first column stays what it was."""

    check: ClassVar[Callable[[Mapping[str, Any]], dict[str, str]]]
    #: Whose limits its column of limits holds.
    scope: ClassVar[str] = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.scope and "limits" in self.fields:
            may = ", ".join(name for name, scopes in SCOPES.items() if self.scope in scopes)
            self.fields["limits"].help_text += f" There are {may}."

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        fixed = {name: getattr(self.instance, name) for name in ("name", "word", "chain") if self._is_fixed(name)}
        for field, words in type(self).check({**fixed, **values}).items():
            self.add_error(field if field in self.fields else None, words)
        if "limits" in self.fields and values.get("limits") is None:
            values["limits"] = {}
        return values

    def _is_fixed(self, name: str) -> bool:
        return name not in self.fields and hasattr(self.instance, name)


class SiteForm(CheckedForm):
    check = checks.slips_of_site
    scope = "site"

    class Meta:
        model = Site
        fields = "__all__"  # noqa: DJ007 (people edit every column)

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        # So that it is told here when another site has that queue.
        values["queue"] = values.get("queue") or values.get("name") or self.instance.name
        return values


class KindForm(CheckedForm):
    check = checks.slips_of_kind
    scope = "type"

    class Meta:
        model = TaskKind
        fields = "__all__"  # noqa: DJ007


class TemplateForm(CheckedForm):
    check = checks.slips_of_template

    class Meta:
        model = Template
        fields = "__all__"  # noqa: DJ007


class ReleaseForm(CheckedForm):
    check = checks.slips_of_release

    class Meta:
        model = SoftwareRelease
        fields = "__all__"  # noqa: DJ007
