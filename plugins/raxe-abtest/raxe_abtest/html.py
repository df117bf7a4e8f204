"""The report as one HTML page: no script, nothing from elsewhere, everything escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from raxe_abtest.config import RELATIVE, Experiment
from raxe_abtest.report import Comparison, Figure, NotMeasured, Report
from raxe_abtest.store.records import Look
from raxe_abtest.wording import amount, interval_text, metric_name

__all__ = ["render"]

WIDTH, HEIGHT, LEFT, BOTTOM = 760, 300, 70, 40
_POLICY = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
)
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;
color:#1a1a1a}
table{border-collapse:collapse;width:100%;margin:1rem 0}
th,td{text-align:right;padding:.3rem .6rem;border-bottom:1px solid #ddd}
th:nth-child(-n+2),td:nth-child(-n+2){text-align:left}
.verdict{padding:1rem;background:#f2f5f9;border-left:4px solid #2457a6}
svg{max-width:100%;height:auto}small{color:#555}
"""


def render(experiment: Experiment, report: Report, looks: Sequence[Look]) -> str:
    """Return the page."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        _POLICY,
        f"<title>{escape(report.key)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(report.key)}</h1>",
        _verdict(report),
        _arms(report),
    ]
    for item in report.comparisons:
        seen = [
            look for look in looks
            if (look.comparison, look.metric) == (item.treatment, item.metric)
        ]  # fmt: skip
        parts += [
            f"<h2>{escape(item.model_id)} against {escape(experiment.control.model_id)}</h2>",
            _finding(item, experiment.alpha),
            _chart(item.metric, seen),
        ]
    parts += [_guardrails(report), *(f"<p>{escape(note)}</p>" for note in report.notes)]
    parts.append(
        "<p><small>The band is valid at every look: with no difference it leaves zero out, ever, "
        f"in at most {100 * experiment.alpha:g} % of experiments. The confidence is one minus the "
        "anytime p-value, not the probability that a model is better.</small></p></body></html>"
    )
    return "\n".join(parts)


def _verdict(report: Report) -> str:
    status = escape(report.status.replace("_", " "))
    return f'<p class="verdict"><strong>{status}</strong><br>{escape(report.sentence)}</p>'


def _finding(item: Comparison, alpha: float) -> str:
    effect = "n/a" if item.effect is None else amount(item.metric, item.effect)
    text = (
        f"{metric_name(item.metric)} {effect}, {100 * (1 - alpha):g} % anytime interval "
        f"{interval_text(item.metric, item.interval)}, confidence {item.confidence:.1%}. "
        f"{item.note}"
    )
    return f"<p>{escape(text)}</p>"


def _arms(report: Report) -> str:
    head = ("", "Model", "Share", "Users", "Accuracy", "Recall", "FPR", "Avg", "P95", "Errors")
    rows = []
    for arm in report.variants:
        cells = (
            arm.name, arm.model_id, f"{arm.share:.1%}", f"{arm.users:,}",
            _text(arm.accuracy, "{:.1%}"), _text(arm.recall, "{:.1%}"),
            _text(arm.false_positive_rate, "{:.1%}"), _text(arm.avg_latency, "{:.1f} ms"),
            _text(arm.p95_latency, "{:.1f} ms") + _bounds(arm.p95_interval),
            _text(arm.error_rate, "{:.2%}"),
        )  # fmt: skip
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    heads = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    return f"<table><tr>{heads}</tr>{''.join(rows)}</table>"


def _guardrails(report: Report) -> str:
    if not report.guardrails:
        return ""
    rows = []
    for rail in report.guardrails:
        form = "{:+.1%}" if rail.relative else "{:+.2%}"
        bounds = "n/a"
        if rail.low is not None and rail.high is not None:
            bounds = f"[{form.format(rail.low)}, {form.format(rail.high)}]"
        cells = (rail.treatment, metric_name(rail.metric), bounds, form.format(rail.margin),
                 rail.status.replace("_", " "))  # fmt: skip
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    heads = "".join(f"<th>{x}</th>" for x in ("", "Guardrail", "Worse by", "Allowed", "Status"))
    return f"<h2>Guardrails</h2><table><tr>{heads}</tr>{''.join(rows)}</table>"


def _bounds(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else " [{:.1f}, {:.1f}]".format(*interval)


def _text(value: Figure, form: str) -> str:
    return "n/a" if isinstance(value, NotMeasured) else form.format(value)


def _chart(metric: str, looks: Sequence[Look]) -> str:
    """Return the confidence sequence over the number of users."""
    shown = [look for look in looks if look.low is not None and look.high is not None]
    if len(shown) < 2:
        return "<p>The interval over time appears here after two looks.</p>"
    if len(shown) > 600:
        shown = [*shown[:: len(shown) // 600 + 1], shown[-1]]
    scale = 1.0 if metric in RELATIVE else 100.0
    # The first intervals are very wide; the picture is of what they come down to.
    widths = sorted(max(abs(look.low or 0.0), abs(look.high or 0.0)) for look in shown)
    reach = min(widths[-1], 3 * widths[len(widths) // 4]) or 1.0
    most = max(look.users for look in shown)

    def x(users: float) -> float:
        return LEFT + (WIDTH - LEFT - 10) * users / most

    def y(value: float) -> float:
        clipped = max(-reach, min(reach, value))
        return 10 + (HEIGHT - BOTTOM - 10) * (reach - clipped) / (2 * reach)

    upper = [f"{x(look.users):.1f},{y(look.high or 0.0):.1f}" for look in shown]
    lower = [f"{x(look.users):.1f},{y(look.low or 0.0):.1f}" for look in reversed(shown)]
    line = [f"{x(look.users):.1f},{y(look.effect):.1f}" for look in shown]
    unit = "ms" if metric in RELATIVE else "pt"
    labels = "".join(
        f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{scale * value:+.3g}</text>'
        for value in (-reach, -reach / 2, 0.0, reach / 2, reach)
    )
    marks = "".join(
        f'<text x="{x(users):.1f}" y="{HEIGHT - 18}" text-anchor="middle">{users:,.0f}</text>'
        for users in (most / 4, most / 2, 3 * most / 4)
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-size="12" fill="#333">'
        f"<title>Anytime interval of the difference, in {unit}, over the number of users</title>"
        f'<polygon points="{" ".join(upper + lower)}" fill="#2457a6" fill-opacity="0.18"/>'
        f'<polyline points="{" ".join(line)}" fill="none" stroke="#2457a6" stroke-width="2"/>'
        f'<line x1="{LEFT}" x2="{WIDTH - 10}" y1="{y(0):.1f}" y2="{y(0):.1f}" stroke="#b3261e" '
        'stroke-dasharray="5 4"/>'
        f'{labels}{marks}<text x="{WIDTH / 2}" y="{HEIGHT - 2}" text-anchor="middle">users</text>'
        f'<text x="4" y="20">{unit}</text></svg>'
    )
