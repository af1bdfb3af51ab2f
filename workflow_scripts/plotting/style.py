"""One look for every figure, and the ways out of it: byte-stable PDF and PNG files, and inline SVG."""

from __future__ import annotations

import functools
import io
import re
import xml.etree.ElementTree as ET  # only ever parses SVG that matplotlib wrote a moment before
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.patches import Patch

from workflow_scripts.core.files import atomic_path

P = ParamSpec("P")
R = TypeVar("R")

INK = "#1f2a37"
"""Text and axes. Inline SVG turns it into the page's own text colour, hence dark mode."""
GRID = "#c8d0da"
"""Grid lines; also replaced in inline SVG."""
QUIET = "#b9c0c9"
"""Chance rows and the class that means nothing of interest."""
PAPER = "#fffffe"
"""Halo of a line that crosses bars: all but white, so that it can be configured from a white that is meant."""
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#f0e442")
"""Okabe & Ito (2008), https://jfly.uni-koeln.de/color/, without black, which is the ink's."""
METHODS = ("#cc6677", "#5566cc", "#44aa99", "#ddcc77", "#993366", "#88ccee", "#117733", "#aa4499", "#999933")
"""Colours of methods: Tol's "muted" (https://sronpersonalpages.nl/~pault/), none of which is a class's.

Indigo and wine are lighter here, to be seen on a dark page.
"""
SHADES = (0.0, 0.5, -0.45, 0.75, -0.25, 0.25)
"""How far to white (above zero) or black (below) the second and later things of one colour are."""
PAGE_COLOURS = {INK: "currentColor", GRID: "var(--figure-grid)", QUIET: "var(--figure-quiet)", PAPER: "var(--ground)"}
"""What the page paints instead, so that dark mode reaches into the figures."""
SVG_NAMESPACE = "http://www.w3.org/2000/svg"
XLINK = "{http://www.w3.org/1999/xlink}"

RC: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.facecolor": "white",
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.prop_cycle": cycler(color=PALETTE),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "font.family": ["DejaVu Sans"],  # comes with matplotlib, so every machine lays out alike
    "font.size": 9,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "hatch.color": "#2b3440",  # not the ink: hatches lie on a fill, in dark mode too
    "hatch.linewidth": 0.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.solid_capstyle": "butt",
    "path.simplify": False,
    "pdf.compression": 6,
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
    "svg.fonttype": "none",
    "svg.hashsalt": "ethomake",
    "text.color": INK,
    "text.parse_math": False,  # a dollar in a class name is a dollar
    "text.usetex": False,
    "xtick.color": INK,
    "ytick.color": INK,
}


@contextmanager
def style() -> Iterator[None]:
    """Draw and save in this look, whatever the user's own matplotlib settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(RC)
        yield


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Run a figure function inside :func:`style`."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with style():
            return function(*args, **kwargs)

    return wrapper


def colour(index: int) -> str:
    """Return the colour of the `index`-th thing; the second round is lighter, the third darker."""
    return _shade(PALETTE[index % len(PALETTE)], index // len(PALETTE) % 3)


def _shade(base: str, step: int) -> str:
    weight = SHADES[step % len(SHADES)]
    if not weight:
        return base
    target = 1.0 if weight > 0 else 0.0
    red, green, blue = (c + (target - c) * abs(weight) for c in to_rgb(base))
    return to_hex((red, green, blue))


def method_colours(labels: Iterable[str], every: Iterable[str] = ()) -> dict[str, str]:
    """Return one colour a method, and lighter and darker ones for its variants after the first.

    Parameters
    ----------
    labels : iterable of str
        Methods as a figure names them: the method, and after " · " what tells its variants apart.
    every : iterable of str
        All methods of an experiment; with the same ones here, all figures give a method the same colour.

    Returns
    -------
    dict of str to str
        By label, in the order of the labels.
    """
    labels = list(dict.fromkeys(labels))
    names = sorted({*every, *(label.split(" · ")[0] for label in labels)})
    inks: dict[str, str] = {}
    for place, name in enumerate(names):
        variants = sorted(label for label in labels if label.startswith(f"{name} · "))
        shades = [name] * (name in labels), variants  # one variant alone looks as the method does
        base, lap = METHODS[place % len(METHODS)], place // len(METHODS)
        inks |= {label: _shade(base, 2 * lap + k) for found in shades for k, label in enumerate(found)}
    return {label: inks[label] for label in labels}


def class_colours(vocabulary: Sequence[str], background: str | None = None) -> list[str]:
    """Return one colour a class, the background in grey.

    Parameters
    ----------
    vocabulary : sequence of str
        Class names by index.
    background : str, optional
        The class that means nothing of interest, as the dataset's card names it.
    """
    colours, used = [], 0
    for name in vocabulary:
        if name == background:
            colours.append(QUIET)
        else:
            colours.append(colour(used))
            used += 1
    return colours


def readable_on(background: str | Sequence[float]) -> str:
    """Return black or white, whichever is out more on a colour (WCAG relative luminance)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(background)]  # type: ignore[arg-type]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if luminance > 0.179 else "#ffffff"


def shorten(text: str, length: int = 26) -> str:
    """Cut the middle out of a long name, so that a figure keeps its layout; the tables have it whole.

    Names of one method's points and readouts differ at their ends.
    """
    text = " ".join(text.split())
    end = (length - 1) // 2
    return text if len(text) <= length else f"{text[: length - 1 - end]}…{text[len(text) - end :]}"


LEGEND_NAME = 40
"""Characters of a legend's entry: enough to tell two readouts of one point of one method apart."""


def legend_columns(names: Sequence[str], inches: float, most: int = 4) -> int:
    """Return how many columns a legend of such names can have in a width; a wider one squeezes its axes."""
    lengths = [min(len(" ".join(name.split())), LEGEND_NAME) for name in names]
    for columns in range(min(most, len(names)), 1, -1):
        # A letter of DejaVu Sans at 8.5 points is some 0.06 inches wide; handle and gaps take half an inch.
        if sum(0.5 + 0.06 * max(lengths[column::columns]) for column in range(columns)) <= inches:
            return columns
    return 1


def legend(axes: Axes, entries: Sequence[tuple[str, str]], *, columns: int = 4, **options: Any) -> Legend:
    """Add a legend of coloured boxes.

    Parameters
    ----------
    axes : Axes
    entries : sequence of (name, colour)
    columns : int
    **options
        To :meth:`matplotlib.axes.Axes.legend`.
    """
    # matplotlib fills column by column; people read row by row.
    columns = min(columns, max(1, len(entries)))
    entries = [entry for column in range(columns) for entry in entries[column::columns]]
    boxes = [Patch(facecolor=fill, edgecolor=INK, linewidth=0.4) for _, fill in entries]
    # matplotlib drops labels that begin with an underscore, so the texts are set afterwards.
    drawn = axes.legend(boxes, ["x"] * len(boxes), ncols=columns, **options)
    for text, (name, _) in zip(drawn.get_texts(), entries, strict=True):
        text.set_text(shorten(name, LEGEND_NAME))
    return drawn


def save_figure(figure: Figure, stem: str | Path) -> tuple[Path, Path]:
    """Write `<stem>.pdf` and `<stem>.png`; the same figure gives the same bytes.

    Parameters
    ----------
    figure : Figure
    stem : str or Path
        Path without suffix; dots in the name stay.

    Returns
    -------
    pdf, png : Path
    """
    pdf, png = Path(f"{stem}.pdf"), Path(f"{stem}.png")
    with style():
        with atomic_path(pdf) as part:
            figure.savefig(part, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
        with atomic_path(png) as part:
            figure.savefig(part, format="png", metadata={"Software": None})
    return pdf, png


def to_svg(figure: Figure, *, label: str, prefix: str) -> str:
    """Return a figure as an SVG element to stand inside an HTML page.

    Parameters
    ----------
    figure : Figure
    label : str
        What the figure shows, for those who cannot see it.
    prefix : str
        Goes before every id, so that two figures of one page never share one.

    Returns
    -------
    str
        Text as text, ink in the page's own colour, transparent ground, and no style rule that would reach
        the rest of the page.
    """
    buffer = io.BytesIO()
    with style():
        figure.savefig(
            buffer,
            format="svg",
            transparent=True,
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    root = ET.fromstring(buffer.getvalue())  # noqa: S314 - written by matplotlib just above
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', buffer.getvalue().decode()))
    for parent in root.iter():
        for child in list(parent):
            if child.tag.rsplit("}", 1)[-1] in {"style", "metadata"}:
                parent.remove(child)
    for node in root.iter():
        _localise(node, prefix, used)
    _thin(root)
    size = [float(number) for number in root.attrib["viewBox"].split()][2:]
    root.attrib.update(
        {
            "role": "img",
            "aria-label": label,
            "class": "plot",
            "stroke-linejoin": "round",
            "style": f"--natural: {size[0] / 72 * 96:.0f}px; font-family: {FAMILY}",
        }
    )
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    ET.register_namespace("", SVG_NAMESPACE)
    return ET.tostring(root, encoding="unicode")


def _thin(node: ET.Element) -> None:
    """Take out groups that hold nothing, definitions of nothing, and blanks between elements."""
    for child in list(node):
        _thin(child)
        if child.tag.rsplit("}", 1)[-1] in {"g", "defs"} and not len(child) and "id" not in child.attrib:
            node.remove(child)
    for part in (node, *node):
        if part.tail is not None and not part.tail.strip():
            part.tail = None
    if node.text is not None and not node.text.strip():
        node.text = None


FAMILY = "'DejaVu Sans', Verdana, sans-serif"
FONT = re.compile(r"font-family: 'DejaVu Sans'(?:, [^;]*)?;? ?")
"""Said once for the whole figure."""
LONG = re.compile(r"-?\d+\.\d{3,}")
"""Numbers with more digits than anyone can see on a page."""


def _shorter(match: re.Match[str]) -> str:
    return f"{float(match[0]):.2f}".rstrip("0").rstrip(".")


def _localise(node: ET.Element, prefix: str, used: set[str]) -> None:
    """Make one element fit for a page: unique ids, page colours, fonts with a fallback."""
    attributes = node.attrib
    identifier = attributes.pop("id", None)
    if identifier in used:
        attributes["id"] = f"{prefix}-{identifier}"
    if f"{XLINK}href" in attributes:
        attributes["href"] = attributes.pop(f"{XLINK}href").replace("#", f"#{prefix}-", 1)
    for name in ("d", "x", "y", "points", "transform"):
        if name in attributes:
            attributes[name] = LONG.sub(_shorter, attributes[name].replace("\n", ""))
    for name in ("style", "fill", "stroke", "clip-path"):
        if name in attributes:
            value = attributes[name].replace("url(#", f"url(#{prefix}-")
            for drawn, on_page in PAGE_COLOURS.items():
                value = value.replace(drawn, on_page)
            attributes[name] = FONT.sub("", value)
