"""The page's style sheet: light and dark by the reader's system, black on white on paper."""

from __future__ import annotations

__all__ = ["CSS"]

_LIGHT = ("#0b6bcb", "#c4320a", "#087443", "#6938ef", "#a15c07", "#c11574", "#0e7090", "#475467")
_DARK = ("#6cb8ff", "#ff9c66", "#5fe0a0", "#b692f6", "#fdb022", "#faa7e0", "#67e3f9", "#cfd4dc")


def _series(colours: tuple[str, ...]) -> str:
    return ";".join(f"--s{index}:{colour}" for index, colour in enumerate(colours))


_CLASSES = "".join(
    f".line.s{i}{{stroke:var(--s{i})}}.dot.s{i},.bar.s{i}{{fill:var(--s{i})}}"
    f".key.k{i}::before{{background:var(--s{i})}}"
    for i in range(8)
)

CSS = f"""
:root{{color-scheme:light dark;--ink:#1d2433;--paper:#fff;--soft:#5b6472;--rule:#d7dce3;
--panel:#f5f7fa;{_series(_LIGHT)}}}
@media (prefers-color-scheme:dark){{:root{{--ink:#e6e9ef;--paper:#14181f;--soft:#a3acba;
--rule:#343c49;--panel:#1c222c;{_series(_DARK)}}}}}
*{{box-sizing:border-box}}
body{{margin:0 auto;max-width:1100px;padding:1.5rem;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,sans-serif}}
h1{{font-size:1.5rem;margin:0 0 .25rem}}h2{{font-size:1.15rem;margin:2rem 0 .5rem}}
small,.soft{{color:var(--soft)}}
table{{border-collapse:collapse;width:100%;margin:.5rem 0;font-variant-numeric:tabular-nums}}
th,td{{border-bottom:1px solid var(--rule);padding:.35rem .6rem;text-align:left;
vertical-align:top;overflow-wrap:break-word}}
td:last-child{{overflow-wrap:anywhere}}
th{{color:var(--soft);font-weight:600}}
.best{{background:var(--panel);border-left:4px solid var(--s2);padding:.75rem 1rem;margin:1rem 0}}
.plots{{display:grid;grid-template-columns:repeat(auto-fit,minmax(320px,1fr));gap:1rem}}
figure{{margin:0;background:var(--panel);border-radius:6px;padding:.75rem;break-inside:avoid}}
figcaption{{font-weight:600}}figure p{{margin:.25rem 0 0;font-size:13px}}
svg{{width:100%;height:auto}}
.grid{{stroke:var(--rule)}}.diagonal{{stroke:var(--soft);stroke-dasharray:4 4}}
.tick{{fill:var(--soft);font-size:11px}}.axis{{fill:var(--soft);font-size:12px}}
.line{{fill:none;stroke-width:2}}.bar{{opacity:.6}}
.key{{display:inline-block;margin-right:.9rem}}.key::before{{content:"";display:inline-block;width:.7em;height:.7em;
margin-right:.35em;border-radius:2px}}
.wide{{overflow-x:auto}}
{_CLASSES}
@media print{{:root{{color-scheme:light;--ink:#000;--paper:#fff;--soft:#444;--rule:#bbb;
--panel:#fff;{_series(_LIGHT)}}}body{{max-width:none;padding:0}}tr{{break-inside:avoid}}}}
"""
