"""Accuracy against mean calls: over all, and a small one for each family."""

# Only the group `bench` brings matplotlib.
# pyright: reportMissingImports=false

from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter

mpl.use("Agg")

INK, SOFT, FIXED, VOTE, OURS = "#222222", "#8a8a8a", "#7a8699", "#4a7fb5", "#d1495b"
TICKS = (1, 2, 4, 8, 16, 32, 64)
EFFORTS = ("fast", "balanced", "thorough")
COLUMNS = 5


def plot(found: dict[str, Any], folder: Path) -> None:
    """Write a PNG and an SVG for each set."""
    folder.mkdir(parents=True, exist_ok=True)
    mpl.rcParams.update({"font.size": 10, "axes.edgecolor": SOFT, "svg.fonttype": "none", "font.family": "sans-serif"})
    for told in found["sets"]:
        name = told["data"].partition(".")[0]
        save(overview(told), folder / name)
        if len(told["families"]) > 1:
            save(by_family(told), folder / f"{name}-families")


def plot_cascade(found: dict[str, Any], folder: Path) -> None:
    """Draw the curve of a cascade above the line between its two models."""
    folder.mkdir(parents=True, exist_ok=True)
    figure, axes = plt.subplots(figsize=(6.5, 4.5))
    ends = [100 * found["cheap"], 100 * found["strong"]]
    axes.plot([0, 100], ends, color=FIXED, lw=1.4, ls=(0, (4, 3)), label="a coin between the two models")
    curve = sorted((100 * point["strong_share"], 100 * point["accuracy"]) for point in found["points"])
    curve = [(0.0, ends[0]), *curve, (100.0, ends[1])]
    axes.plot(*zip(*curve, strict=True), "-o", color=OURS, ms=4, lw=1.6, label="cascade")
    low, high = (100 * end for end in found["area_ci"])
    told = f"area above the line {100 * found['area']:.1f} points ({low:.1f} to {high:.1f})"
    axes.set_title("GSM8K, Mixtral-8x7B, then GPT-4", loc="left", color=INK, fontsize=12)
    axes.annotate(told, (0.98, 0.2), xycoords="axes fraction", ha="right", color=SOFT, fontsize=9)
    axes.set_xlabel("questions that the strong model is asked, %")
    axes.set_ylabel("right, %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6e6e6", lw=0.6)
    axes.legend(frameon=False, loc="lower right", fontsize=9)
    save(figure, folder / "cascade")


def save(figure: Any, path: Path) -> None:
    """Write both formats."""
    for suffix in (".png", ".svg"):
        figure.savefig(path.with_suffix(suffix), dpi=160, bbox_inches="tight", metadata={})
    plt.close(figure)


def overview(told: dict[str, Any]) -> Any:
    """Draw all policies with their intervals, and the sweep where there is one."""
    figure, axes = plt.subplots(figsize=(8, 5))
    rows = {row["policy"]: row for row in told["policies"]}
    fixed = [row for name, row in rows.items() if name == "single" or name.startswith("sc@")]
    ruled(axes, fixed, FIXED, "fixed self-consistency (majority)")
    votes = [row for name, row in rows.items() if name.startswith("vote@")]
    stops = [row for name, row in rows.items() if name.startswith("stop@")]
    if any(vote["accuracy"] != row["accuracy"] for vote, row in zip(votes, fixed[1:], strict=False)):
        ruled(axes, votes, VOTE, "fixed, votes weighted by log-probability")
    if stops:
        ruled(axes, stops, VOTE, "one by one until the verifier passes")
    points = told.get("sweep", {}).get("points", [])
    if points:
        x, y = [point["mean_calls"] for point in points], [100 * point["accuracy"] for point in points]
        axes.scatter(x, y, s=14, color=OURS, alpha=0.3, linewidths=0, label="adaptive, threshold and cap swept")
    ours = [rows[name] for name in EFFORTS if name in rows]
    low = [100 * (row["accuracy"] - row["ci"][0]) for row in ours]
    high = [100 * (row["ci"][1] - row["accuracy"]) for row in ours]
    x, y = [row["mean_calls"] for row in ours], [100 * row["accuracy"] for row in ours]
    axes.errorbar(
        x, y, yerr=[low, high], fmt="o", color=OURS, ecolor=OURS, elinewidth=1, capsize=2, ms=6, label="adaptive"
    )
    for row, place in zip(ours, ((-7, 7, "right"), (7, 4, "left"), (-7, 7, "right")), strict=False):
        at = (row["mean_calls"], 100 * row["accuracy"])
        name = axes.annotate(row["policy"], at, xytext=place[:2], textcoords="offset points", ha=place[2], color=OURS)
        name.set_path_effects([withStroke(linewidth=3, foreground="white")])
    if told["best_fixed"] in rows:
        best = 100 * rows[told["best_fixed"]]["accuracy"]
        axes.axhline(best, color=SOFT, lw=0.8, ls=(0, (4, 3)), zorder=0)
        axes.annotate(
            f"best fixed: {told['best_fixed']}, {best:.1f} %",
            (1, best),
            xytext=(2, 3),
            textcoords="offset points",
            color=SOFT,
            fontsize=9,
        )
    scaled(axes)
    axes.set_xlabel("mean calls a question")
    axes.set_ylabel("right, % (95 % bootstrap)")
    oracle = rows["oracle"]
    title = f"{told['data'].partition('.')[0]}: {oracle['questions']} questions"
    axes.set_title(title, loc="left", color=INK, fontsize=12)
    axes.set_title(
        f"oracle of {oracle['mean_calls']:.0f} calls: {100 * oracle['accuracy']:.1f} %", loc="right", color=SOFT
    )
    axes.legend(frameon=False, loc="lower right", fontsize=9)
    return figure


def by_family(told: dict[str, Any]) -> Any:
    """Draw a small panel for each family, all with one scale."""
    families = told["families"]
    lines = -(-len(families) // COLUMNS)
    figure, panels = plt.subplots(
        lines, COLUMNS, figsize=(2.6 * COLUMNS, 2.3 * lines), sharex=True, sharey=True, squeeze=False
    )
    for axes, (family, rows) in zip(panels.flat, families.items(), strict=False):
        fixed = [row for name, row in rows.items() if name == "single" or name.startswith("sc@")]
        ruled(axes, fixed, FIXED, "fixed self-consistency")
        ours = [rows[name] for name in EFFORTS if name in rows]
        x, y = [row["mean_calls"] for row in ours], [100 * row["accuracy"] for row in ours]
        axes.plot(x, y, "o", color=OURS, ms=5, label="fast, balanced, thorough")
        scaled(axes, TICKS[::2])
        axes.set_title(family, loc="left", fontsize=10, color=INK)
    for axes in panels.flat[len(families) :]:
        axes.axis("off")
    for axes in panels.flat[max(0, len(families) - COLUMNS) : len(families)]:
        axes.tick_params(labelbottom=True)
    handles, labels = panels.flat[0].get_legend_handles_labels()
    spare = panels.flat[-1] if len(families) < panels.size else None
    if spare is not None:
        spare.legend(handles, labels, frameon=False, loc="center left", fontsize=9)
    else:
        figure.legend(handles, labels, frameon=False, loc="upper right", ncols=2, fontsize=9)
    figure.supxlabel("mean calls a question", fontsize=10)
    figure.supylabel("right, %", fontsize=10)
    figure.tight_layout()
    return figure


def ruled(axes: Axes, rows: list[dict[str, Any]], color: str, label: str) -> None:
    """Draw policies that are one curve."""
    ordered = sorted(rows, key=lambda row: float(row["mean_calls"]))
    x, y = [row["mean_calls"] for row in ordered], [100 * row["accuracy"] for row in ordered]
    axes.plot(x, y, "-o", color=color, lw=1.4, ms=3.5, label=label)


def scaled(axes: Axes, ticks: tuple[int, ...] = TICKS) -> None:
    """Give calls a scale on which doubling is a step."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6e6e6", lw=0.6)
    axes.set_axisbelow(True)
