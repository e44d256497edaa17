"""What each of these tables has in the admin beside its list and its form: history, undoing, import and export."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from server.lib.admin import TableAdmin
from server.lib.uses import uses_of
from server.pandaconfig import logic
from server.pandaconfig.forms import ImportForm, RowForm
from server.pandaconfig.logic import Author, ChangedMeanwhile
from server.pandaconfig.models import Change, ImportDraft
from server.pandaconfig.readable import Refused
from server.pandaconfig.tables import Key, Row, Table, table_of
from server.pandaconfig.transfer import writing
from server.pandaconfig.transfer.fetching import NotFetched, fetch
from server.pandaconfig.transfer.planning import Kind, Plan, carry_out, plan
from server.pandaconfig.transfer.reading import Unreadable, read

#: Lines of a page of history, and rows of each kind that a plan shows.
PER_PAGE, SHOWN = 50, 200
#: So many refusals of an action are told one by one.
TOLD = 5


class DeskAdmin(TableAdmin):
    """A table that people edit: every write goes through `logic`, which checks it and keeps its history."""

    form = RowForm
    actions: tuple[Any, ...] = ("export_csv", "export_json")
    change_form_template = "pandaconfig/change_form.html"
    change_list_template = "pandaconfig/change_list.html"
    list_per_page = 50
    show_full_result_count = False
    save_as = False

    @property
    def table(self) -> Table:
        return table_of(self.model)

    def get_urls(self) -> list[URLPattern]:
        own: list[tuple[str, Any, str]] = [
            ("import/", self.import_view, "import"),
            ("<path:object_id>/undo/<int:number>/", self.undo_view, "undo"),
        ]
        named = [
            path(where, self.admin_site.admin_view(view), name=f"pandaconfig_{self.opts.model_name}_{name}")
            for where, view, name in own
        ]
        return [*named, *super().get_urls()]

    def address(self, page: str, *args: Any) -> str:
        return reverse(f"admin:pandaconfig_{self.opts.model_name}_{page}", args=args)

    def author(self, request: HttpRequest, way: Change.Way, reason: str = "") -> Author:
        return Author(request.user.get_username(), way, reason)

    # Writing

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if obj is None or self.table.is_numbered else (self.table.key,)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        form: Any = super().get_form(request, obj, change, **options)

        def may_write(before: Row | None, after: Row) -> str:
            return self.may_write(request, before, after)

        form.may_write = staticmethod(may_write)
        return form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if form.table is not self.table:  # of an action of the list: it has its own ways
            raise PermissionDenied
        key = obj.pk if change else None
        author = self.author(request, Change.Way.FORM, form.cleaned_data.get("reason", ""))
        values = form.row()
        before = None if key is None else self.table.read(key)
        if words := self.may_write(request, before, {**(before or self.table.fresh()), **values}):
            raise Refused({"": words})
        written = logic.write(self.table, key, values, author, seen=form.as_seen())
        if written is not None:
            obj.pk = self.table.model._meta.pk.to_python(written.key)

    def write_many(self, request: HttpRequest, chosen: QuerySet[Any], values: Row) -> int:
        """Write the same into rows that were chosen in the list; answer how many changed, tell why others did not."""
        author, done, refused = self.author(request, Change.Way.ACTION), 0, []
        for row in chosen:
            try:
                done += logic.write(self.table, row.pk, values, author) is not None
            except Refused as why:
                refused.append(f"{row}: {why}")
        for words in refused[:TOLD]:
            self.message_user(request, words, messages.ERROR)
        if len(refused) > TOLD:
            self.message_user(request, f"{len(refused) - TOLD} others were refused, too.", messages.ERROR)
        return done

    def changeform_view(self, request: HttpRequest, *args: Any, **options: Any) -> Any:
        try:
            return super().changeform_view(request, *args, **options)
        except (ChangedMeanwhile, Refused) as late:  # between the look of the form and the writing
            self.message_user(request, str(late), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> Any:
        if (row := options.get("obj")) is not None:
            context["uses"] = uses_of(self.table.name, [str(row.pk)])
        return super().render_change_form(request, context, *args, **options)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        logic.remove(self.table, obj.pk, self.author(request, Change.Way.FORM))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for key in list(queryset.values_list("pk", flat=True)):
            logic.remove(self.table, key, self.author(request, Change.Way.ACTION))

    # History

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Show what became of a row, also of one that is gone."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        key = unquote(object_id)
        pages = Paginator(Change.objects.filter(table=self.table.name, key=key).select_related("undoes"), PER_PAGE)
        shown = pages.get_page(request.GET.get("p"))
        may = self.has_change_permission(request)
        now = self.table.read(self.table.key_from(key)) if shown and may else None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"History of {shown[0].label if shown else key}",
            "changes": [(one, differences(one), may and self._may_undo(request, one, now)) for one in shown],
            "page": shown,
            "list": self.address("changelist"),
            "may_undo": may,
        }
        return render(request, "pandaconfig/history.html", context)

    def undo_view(self, request: HttpRequest, object_id: str, number: int) -> HttpResponse:
        if request.method != "POST" or not self.has_change_permission(request):
            raise PermissionDenied
        change = get_object_or_404(Change, pk=number, table=self.table.name)
        if not self._may_undo(request, change, self.table.read(self.table.key_from(change.key))):
            raise PermissionDenied
        try:
            logic.undo(number, self.author(request, Change.Way.UNDO, request.POST.get("reason", "")[:500]))
        except Refused as refused:
            self.message_user(request, f"Nothing was undone: {refused}", messages.ERROR)
        else:
            self.message_user(request, f"The change of {change.label} at {change.at:%Y-%m-%d %H:%M} was undone.")
        return HttpResponseRedirect(self.address("history", object_id))

    def _may_undo(self, request: HttpRequest, change: Change, now: Row | None) -> bool:
        """Say whether somebody may undo a change of a row: what made it is undone by who may delete, and so on."""
        if change.before is None:
            return self.has_delete_permission(request)
        if change.after is None:
            return self.has_add_permission(request)
        return now is None or not self.may_write(request, now, {**now, **change.before})

    def may_write(self, request: HttpRequest, before: Row | None, after: Row) -> str:
        """Say why somebody may not write a row; "" when that is allowed."""
        return ""

    # Import and export

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Take a file, show what it would change, and write it when that was confirmed."""
        if not (self.has_add_permission(request) and self.has_change_permission(request)):
            raise PermissionDenied
        if "draft" in request.POST:
            return self._confirmed(request)
        sent = request.method == "POST"
        form = ImportForm(request.POST if sent else None, request.FILES if sent else None)
        if sent and form.is_valid():
            try:
                text, source = self._text_of(form)
                draft = ImportDraft(
                    table=self.table.name, text=text, source=source, make_clouds=form.cleaned_data["make_clouds"],
                    person=request.user.get_username(), at=timezone.now(),
                )  # fmt: skip
                planned = self._plan(request, draft)
            except (Unreadable, NotFetched) as wrong:
                form.add_error(None, str(wrong))
            else:
                draft.save()
                return self._shown(request, draft, planned)
        return self._import_page(request, {"form": form})

    def _text_of(self, form: ImportForm) -> tuple[str, str]:
        values = form.cleaned_data
        if values["address"]:
            return fetch(values["address"]), values["address"][:300]
        if values["text"]:
            return values["text"], "pasted text"
        try:
            return values["file"].read().decode("utf-8-sig"), str(values["file"].name)[:300]
        except UnicodeDecodeError as wrong:
            raise Unreadable(f"the file is no text in UTF-8: byte {wrong.start} is odd; save it as UTF-8") from wrong

    def _plan(self, request: HttpRequest, draft: ImportDraft) -> Plan:
        rows = read(self.table, draft.text)

        def may(before: Row | None, after: Row) -> str:
            return self.may_write(request, before, after)

        return plan(self.table, rows, make_clouds=draft.make_clouds, may_write=may)

    def _shown(self, request: HttpRequest, draft: ImportDraft, planned: Plan, words: str = "") -> HttpResponse:
        kinds = [(kind.value, planned.count(kind)) for kind in Kind]
        order = (Kind.REFUSED, Kind.CHANGED, Kind.NEW)
        chosen = [one for kind in order for one in [one for one in planned.rows if one.kind is kind][:SHOWN]]
        rows = [(one, list(_by_column(*_both(one.differences)))) for one in chosen]
        context = {"draft": draft, "plan": planned, "kinds": kinds, "rows": rows, "words": words}
        context["hidden"] = len(planned.rows) - planned.count(Kind.SAME) - len(chosen)
        context["to_write"] = planned.count(Kind.NEW) + planned.count(Kind.CHANGED)
        return self._import_page(request, context)

    def _import_page(self, request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
        shared = {**self.admin_site.each_context(request), "opts": self.opts, "title": f"Import {self.table.name}"}
        shared |= {"columns": self.table.columns, "list": self.address("changelist")}
        return render(request, "pandaconfig/import.html", {**shared, **context})

    def _confirmed(self, request: HttpRequest) -> HttpResponse:
        person = request.user.get_username()
        drafts = ImportDraft.objects.filter(person=person, table=self.table.name)
        number = _uuid(request.POST["draft"])
        draft = None if number is None else drafts.filter(pk=number).first()
        if draft is None:
            self.message_user(request, "This import was written, or forgotten after a day; begin anew.", messages.ERROR)
            return HttpResponseRedirect(self.address("import"))
        planned = self._plan(request, draft)
        if planned.digest != request.POST.get("digest"):
            return self._shown(request, draft, planned, "The table has changed since you looked; this is what is left.")
        reason = f"{draft.source}: {request.POST.get('reason', '')}".rstrip(": ")
        try:
            batch = carry_out(planned, self.author(request, Change.Way.IMPORT, reason[:500]))
        except Refused as refused:
            return self._shown(request, draft, self._plan(request, draft), str(refused))
        draft.delete()
        new, changed = planned.count(Kind.NEW), planned.count(Kind.CHANGED)
        self.message_user(request, f"{new} new, {changed} changed, {planned.count(Kind.REFUSED)} passed over.")
        return HttpResponseRedirect(f"{reverse('admin:pandaconfig_change_changelist')}?batch={batch}")

    @admin.action(description="Export as CSV", permissions=["view"])
    def export_csv(self, request: HttpRequest, queryset: QuerySet[Any]) -> StreamingHttpResponse:
        return self._file(writing.as_csv(self.table, _keys(queryset)), "csv", "text/csv; charset=utf-8")

    @admin.action(description="Export as JSON", permissions=["view"])
    def export_json(self, request: HttpRequest, queryset: QuerySet[Any]) -> StreamingHttpResponse:
        return self._file(writing.as_json(self.table, _keys(queryset)), "json", "application/json")

    def _file(self, lines: Any, ending: str, kind: str) -> StreamingHttpResponse:
        name = f"{self.table.name}-{timezone.now():%Y%m%d-%H%M%S}.{ending}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Type": kind}
        return StreamingHttpResponse(lines, headers=headers)


def _keys(chosen: QuerySet[Any]) -> list[Key]:
    return cast("list[Key]", list(chosen.values_list("pk", flat=True)))


def _both(found: Mapping[str, tuple[Any, Any]]) -> tuple[Row, Row]:
    return {name: old for name, (old, _) in found.items()}, {name: new for name, (_, new) in found.items()}


def _uuid(text: str) -> str | None:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return None


def differences(change: Change) -> list[tuple[str, Any, Any]]:
    """Answer what a change did, by column: its name, and what it said before and after; "" where there was no row.

    Of a JSON only the keys that changed, each as a line of its own.
    """
    return list(_by_column(change.before or {}, change.after or {}))


def _by_column(before: Row, after: Row, above: str = "") -> Iterator[tuple[str, Any, Any]]:
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name, ""), after.get(name, "")
        if not above and any(isinstance(one, dict) for one in (old, new)):
            yield from _by_column(old or {}, new or {}, f"{name}.")
        elif old != new:
            yield f"{above}{name}", _shown(old), _shown(new)


def _shown(value: Any) -> Any:
    return json.dumps(value, sort_keys=True, ensure_ascii=False) if isinstance(value, dict | list) else value
