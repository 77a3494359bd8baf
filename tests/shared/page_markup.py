"""A figure with a bit of everything, and a reader of markup that complains about what is wrong."""

from __future__ import annotations

from html.parser import HTMLParser

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from course_lib import viz


class Tags(HTMLParser):
    """All start tags with their attributes; complains about a tag that is not closed."""

    VOID = ("img", "br", "hr", "path", "use", "rect", "circle", "image", "input")

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(markup)
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in self.VOID:
            return
        assert self.open and self.open.pop() == tag, f"</{tag}> does not match"


def a_plot(shift: float = 0.0) -> Figure:
    viz.style()
    fig, ax = plt.subplots()
    ax.plot([0, 1, 2], [shift, 1.23456, 0.5], label="a line of 0.123456")
    ax.set(xlabel="steps", ylabel="nats", title="自监督学习 & more")
    ax.fill_between([0, 1], [0, 0], [1, 1], color="black", alpha=0.1)
    ax.legend()
    return fig
