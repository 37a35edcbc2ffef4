"""The code on docs/privacy.md runs, and keeps out of the log what the page says."""

import re
from pathlib import Path

import headway
from headway.testing import capture

PAGE = Path(__file__).parents[2] / "docs" / "privacy.md"


def test_the_example_of_the_privacy_page_tells_the_truth() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    with capture() as captured:
        exec(compile(code, PAGE.name, "exec"), {})
        with headway.span("asked", input={"to": "ada@example.com", "Password": "x", "n": 5}):
            pass
        with headway.span("payroll.run", input="everybody's pay"):
            pass

    asked, payroll = captured.call("asked"), captured.call("payroll.run")
    assert asked.input == {"to": "[email]", "Password": "[dropped]", "n": 5}
    assert payroll.input == "[not kept: 17 bytes]"
