from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pilot.api.analytics import Analytics, BadTable

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "doc" / "howto" / "measure-processes-and-cores.md").read_text()


def table(folder, rows, names=("Time", "pss", "swap")):
    path = folder / "table.txt"
    path.write_text("\n".join("\t".join(map(str, row)) for row in [names, *rows]) + "\n")
    return path


def growing(count, slope=2.0, start=1000.0):
    """Rows of prmon's kind: one a minute, growing by ``slope`` kB a second, a tenth of it in swap."""
    return [(1.7e9 + 60 * n, 0.9 * (start + slope * 60 * n), 0.1 * (start + slope * 60 * n)) for n in range(count)]


def test_a_line_is_fitted_and_remembered():
    analytics = Analytics()
    fit = analytics.fit([0, 1, 2, 3], [1.0, 3.0, 5.0, 7.0])
    assert (fit.slope, fit.intersect, fit.chi2, fit.count) == (2.0, 1.0, 0.0, 4)
    assert (analytics.slope(), analytics.intersect(), analytics.chi2()) == (2.0, 1.0, 0.0)
    assert fit.value(10) == 21.0


def test_chi2_adds_up_what_lies_beside_the_line_in_parts_of_it():
    assert Analytics().fit([0, 1, 2, 3], [90, 110, 110, 90]).chi2 == pytest.approx(4 * 0.1**2)


def test_where_the_line_crosses_zero_at_a_point_nothing_can_be_said():
    assert Analytics().fit([-1, 0, 1], [-1.0, 0.0, 1.0]).chi2 == 0.0


@pytest.mark.parametrize(
    ("x", "y", "model", "words"),
    [
        ([1, 2], [1], "linear", "x has 2 values, y has 1"),
        ([], [], "linear", "two places are needed"),
        ([3, 3], [1, 2], "linear", "2 points at 1 places make no line"),
        ([1, 2], [1, 2], "cubic", "'cubic' is not known"),
    ],
)
def test_what_makes_no_line_is_refused_in_words(x, y, model, words):
    with pytest.raises(ValueError, match=words):
        Analytics().fit(x, y, model)


@pytest.mark.parametrize("ask", [Analytics.slope, Analytics.intersect, Analytics.chi2])
def test_nothing_is_answered_before_a_fit(ask):
    with pytest.raises(ValueError, match="call fit"):
        ask(Analytics())


def test_a_table_is_read_by_its_columns(tmp_path):
    path = table(tmp_path, [(1, 2, 3), (4, 5, 6)])
    assert Analytics().get_table(path) == {"Time": [1.0, 4.0], "pss": [2.0, 5.0], "swap": [3.0, 6.0]}
    assert Analytics().get_table(str(path), convert_to_float=False)["pss"] == ["2", "5"]


def test_a_table_may_have_its_header_elsewhere_and_other_separators(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("1, 2\n3, 4\n\n")
    assert Analytics().get_table(path, header="a,b", separator=",") == {"a": [1.0, 3.0], "b": [2.0, 4.0]}


def test_a_last_line_that_is_being_written_is_left_out(tmp_path):
    path = table(tmp_path, [(1, 2, 3)])
    path.write_text(path.read_text() + "4\t5")
    assert Analytics().get_table(path)["Time"] == [1.0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\tb\n1\n2\t3\n", "line 2: 1 columns; 2 are expected"),
        ("a\tb\n1\tmuch\n", "line 2, b: 'much' is not a number"),
    ],
)
def test_a_bad_line_is_named(tmp_path, text, words):
    (tmp_path / "table").write_text(text)
    with pytest.raises(BadTable, match=words):
        Analytics().get_table(tmp_path / "table")


def test_a_table_that_is_not_there_or_no_text_is_told(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name, words in (("nothing", "No such file"), ("binary", "it is no text")):
        with pytest.raises(BadTable, match=words):
            Analytics().get_table(tmp_path / name)


def test_columns_are_added_up_and_a_missing_one_is_named():
    columns = {"t": [1.0, 2.0], "a": [1.0, 2.0], "b": [10.0, 20.0], "c": [100.0, 200.0]}
    assert Analytics().extract_from_table(columns, "t", "a+b+c") == ([1.0, 2.0], [111.0, 222.0])
    with pytest.raises(BadTable, match="no column 'd'; there are t, a, b, c"):
        Analytics().extract_from_table(columns, "t", "a+d")


def test_the_growth_of_memory_is_read_from_prmons_table(tmp_path):
    found = Analytics().get_fitted_data(table(tmp_path, growing(20)), precision=1)
    assert (found["slope"], found["chi2"]) == ("2.0", "0.0")
    assert float(found["intersect"]) == pytest.approx(1000 - 2 * 1.7e9, rel=1e-6)


def test_tails_are_left_out_of_a_short_table_on_demand(tmp_path):
    rows = [(n, 10 if n < 5 else 1000, 0) for n in range(28)] + [(28, 3, 0), (29, 2, 0)]
    path = table(tmp_path, rows)
    assert Analytics().get_fitted_data(path, tails=False) == {"slope": "0.00", "chi2": "0.00", "intersect": "1000.00"}
    assert Analytics().get_fitted_data(path)["chi2"] != "0.00"


@pytest.mark.parametrize("rows", [[], growing(7), [(1, 2, 3)] * 20])
def test_too_few_points_or_places_give_no_figures(tmp_path, rows):
    assert Analytics().get_fitted_data(table(tmp_path, rows)) == {"slope": "", "chi2": "", "intersect": ""}


def test_the_ends_of_a_long_table_are_cut_off_where_they_spoil_the_fit(tmp_path):
    """Memory is taken in the first minutes, and given back in the last ones."""
    rows = growing(150)
    spoilt = [(row[0], 1.0, 0.0) if n < 10 or n >= 145 else row for n, row in enumerate(rows)]
    assert Analytics().get_fitted_data(table(tmp_path, spoilt), precision=3)["slope"] == "2.000"


def test_a_limit_is_found_at_either_edge_and_two_thirds_are_left():
    x = list(range(120))
    y = [1000.0 if n < 115 else 10.0 for n in x]
    chi2 = Analytics().fit(x, y).chi2
    assert Analytics().find_limit(x, y, chi2, 120) == 115
    assert Analytics().find_limit(x, y, chi2, 120, edge="left") == 0
    worse = [1000.0 * 2**-n for n in x]
    assert Analytics().find_limit(x, worse, 1e12, 120, change_limit=-1e30, edge="left") == 40


def test_a_limit_is_sought_at_a_known_edge_only():
    with pytest.raises(ValueError, match="'top'"):
        Analytics().find_limit([1, 2], [1, 2], 1.0, 2, edge="top")


def test_the_program_of_the_page_finds_the_growth_that_it_shows(tmp_path):
    (program,) = [text for text in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "Analytics" in text]
    lines = ["Time\twtime\tpss\tswap", *(f"{1.7e9 + 60 * n:.0f}\t{60 * n}\t{500000 + 90 * n}\t0" for n in range(60))]
    (tmp_path / "memory_monitor_output.txt").write_text("\n".join(lines) + "\n")
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.stdout, done.stderr) == ("500000 kB at the beginning, 5.4 MB more each hour\n", "")
