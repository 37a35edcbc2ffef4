"""Templates of other people: what they may not do, and how far they get."""

import time

import pytest

from headway_evals.importing.templates import TemplateEnvironment, TemplateRefused, render

DOUBLED = "{% set a = 'aaaaaaaa' %}" + "{% set a = a ~ a %}" * 60


def test_a_template_says_what_jinja_says() -> None:
    text = "{% for x in xs %}{{ loop.index }}{{ x | upper }}{% endfor %} {{ a ~ b }} "
    text += "{{ 'a b'.split() | join('-') }}"

    assert render(TemplateEnvironment(), text, {"xs": ["p", "q"], "a": 1, "b": 2}) == "1P2Q 12 a-b"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", "steps"),
        ("{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(1) }}", "RecursionError"),
        ("{{ 'a' * 10 ** 9 }}", "characters"),
        ("{{ [1] * 10 ** 9 }}", "characters"),
        (DOUBLED, "characters"),
        ("{{ ('a' * 100000).replace('a', 'a' * 10000) }}", "characters"),
        ("{{ ('a' * 100000) | replace('a', 'a' * 10000) }}", "characters"),
        ("{{ 2 ** 1000 }}", "power"),
        ("{{ '%1000000000d' % 1 }}", "formats a text"),
        ("{{ '{:1000000000}'.format(1) }}", "unsafe"),
        ("{{ 'a'.ljust(1000000000) }}", "unsafe"),
        ("{{ 'a'['ljust'](1000000000) }}", "unsafe"),
        ("{{ 'a' | center(1000000000) }}", "No filter"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ x.y.z }}", "undefined"),
        ("{% include 'x' %}", "raised TypeError"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{", "not a template"),
    ],
)
def test_a_template_out_of_bounds_is_refused_soon(text: str, told: str) -> None:
    start = time.perf_counter()

    with pytest.raises(TemplateRefused, match=told):
        render(TemplateEnvironment(), text, {})
    assert time.perf_counter() - start < 5


def test_each_template_is_counted_for_itself() -> None:
    environment = TemplateEnvironment()
    text = "{% for a in range(90000) %}{% endfor %}"

    assert [render(environment, text, {}) for _ in range(3)] == [""] * 3
