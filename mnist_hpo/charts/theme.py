"""Colours of the charts, light and dark, and the rules that use them.

The series are those of Okabe and Ito (2008), "Color universal design", lightened for dark paper:
people who do not see red or green tell them apart. Lines differ by their dashes as well.
"""

from collections.abc import Mapping

LIGHT: Mapping[str, str] = {
    "paper": "#ffffff",
    "panel": "#f4f6f8",
    "ink": "#1b1f24",
    "muted": "#555e68",
    "rule": "#d3d9df",
    "accent": "#005a94",
    "s1": "#0072b2",
    "s2": "#b84e00",
    "s3": "#007a59",
    "s4": "#a3467a",
    "s5": "#6b6b00",
    "heat": "#005a94",
}
DARK: Mapping[str, str] = {
    "paper": "#14181d",
    "panel": "#1d232a",
    "ink": "#e8ecf0",
    "muted": "#a5afba",
    "rule": "#39424c",
    "accent": "#7cc4ff",
    "s1": "#63b3ed",
    "s2": "#f0904a",
    "s3": "#40c79a",
    "s4": "#e29ac4",
    "s5": "#d6d04c",
    "heat": "#63b3ed",
}

_RULES = """
.chart text{font:12px system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;fill:{ink}}
.chart .tick,.chart .small{font-size:11px;fill:{muted}}
.chart .name{fill:{muted}}
.chart .bold{font-weight:600}
.grid{stroke:{rule};stroke-width:1}
.axis{stroke:{muted};stroke-width:1}
.rung{stroke:{muted};stroke-width:1;stroke-dasharray:2 3}
.whisker{stroke:{s1};stroke-width:1.5}
.dot{fill:{s1};stroke:{paper};stroke-width:.8}
.hollow{fill:{paper};stroke:{s2};stroke-width:1.5}
.best{stroke:{s3};stroke-width:2;fill:none}
.mean{stroke:{ink};stroke-width:2}
.bar{fill:{s1}}
.bar.done{fill:{s3}}
.bar.part{fill:{s2}}
.bar.fail{fill:{s4}}
.end{stroke:{ink};stroke-width:1.5;fill:none}
.end.full{fill:{ink}}
.curve{fill:none;stroke-width:1.8}
.c1{stroke:{s1}}
.c2{stroke:{s2};stroke-dasharray:7 3}
.c3{stroke:{s3};stroke-dasharray:2 3}
.c4{stroke:{s4};stroke-dasharray:9 3 2 3}
.c5{stroke:{s5};stroke-dasharray:4 2}
.heat{fill:{heat}}
.chart .on-heat{fill:{paper}}
.chart .ink{fill:{ink}}
.layer{fill:{panel};stroke:{muted};stroke-width:1}
.layer.weights{stroke:{accent};stroke-width:2}
.paper{fill:{paper}}
"""


def chart_style(colours: Mapping[str, str]) -> str:
    """Returns the rules with these colours, for a file."""
    text = _RULES.strip()
    for name, colour in colours.items():
        text = text.replace("{" + name + "}", colour)
    return text


def page_chart_style() -> str:
    """Returns the rules with the page's variables in place of colours."""
    return chart_style({name: f"var(--{name})" for name in LIGHT})


def variables(colours: Mapping[str, str]) -> str:
    """Returns colours as the declarations of a page's variables."""
    return ";".join(f"--{name}:{colour}" for name, colour in colours.items())
