"""How a report looks, by daylight and at night."""

COLOURS = """
:root { color-scheme: light dark;
  --paper: #fbfaf7; --card: #ffffff; --ink: #1d2129; --soft: #667085; --line: #e4e2da; --band: #f4f2ec;
  --a0: #1a8754; --a1: #3b6fd4; --a2: #d9822b; --a3: #8e57c9; --a4: #c2417c; --a5: #2796a8; --a6: #98a1b0;
  --bad: #c8372d; --aside: #d3d6dc; --add: #d8f2e2; --cut: #fbdfdc; --gold: #c99a06; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #14161b; --card: #1b1e25; --ink: #e8e9ec; --soft: #98a2b3; --line: #2d323c; --band: #20242c;
  --a0: #3ecf8e; --a1: #6f9cf5; --a2: #f0a052; --a3: #b78af0; --a4: #ee77ac; --a5: #4fc3d6; --a6: #6b7484;
  --bad: #ff7b70; --aside: #434a57; --add: #16432d; --cut: #55231f; --gold: #f2c94c; } }
"""
PICTURE = """
svg { font: 12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
svg text { fill: var(--ink); dominant-baseline: middle; }
svg .soft { fill: var(--soft); }
svg .head { font-weight: 650; }
svg .end { text-anchor: end; }
svg .mid { text-anchor: middle; }
svg .on { font-size: 11px; }
svg .filled { fill: var(--card); font-weight: 650; }
svg .big { font-size: 20px; font-weight: 700; }
.sheet { fill: var(--paper); }
.band { fill: var(--band); }
.rule { stroke: var(--line); }
.pause { stroke: var(--soft); stroke-dasharray: 2 3; }
.limit { stroke: var(--bad); stroke-dasharray: 5 4; fill: none; }
.area { fill: var(--a1); fill-opacity: .16; }
.sum { fill: none; stroke: var(--a1); stroke-width: 1.5; }
.link { stroke: var(--soft); fill: none; opacity: .55; }
.a0 { fill: var(--a0); } .a1 { fill: var(--a1); } .a2 { fill: var(--a2); } .a3 { fill: var(--a3); }
.a4 { fill: var(--a4); } .a5 { fill: var(--a5); } .a6 { fill: var(--a6); }
.aside { fill: var(--aside); }
.silent { fill: var(--card); stroke: var(--soft); stroke-dasharray: 2 2; }
.failed { fill: var(--cut); stroke: var(--bad); stroke-dasharray: 2 2; }
.won { stroke: var(--gold); stroke-width: 3; }
.star { fill: var(--gold); }
"""
PAGE = """
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); overflow-wrap: anywhere;
  font: 15px/1.55 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 20px 64px; }
header .kicker, footer { color: var(--soft); font-size: 13px; }
h1 { font-size: 24px; line-height: 1.3; margin: 6px 0 14px; white-space: pre-wrap; max-height: 9em; overflow: auto; }
h2 { font-size: 17px; margin: 0 0 12px; }
h3 { font-size: 14px; margin: 16px 0 4px; color: var(--soft); font-weight: 600; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 20px; margin: 18px 0; }
.winner { border-bottom: 1px solid var(--line); margin-bottom: 12px; }
.answer { border-left: 5px solid var(--a0); }
.answer .said { font-size: 26px; font-weight: 700; max-height: 8em; }
.answer.open { border-left-color: var(--a2); } .answer.none { border-left-color: var(--bad); }
.said { white-space: pre-wrap; overflow: auto; unicode-bidi: isolate; contain: paint; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: 12px; margin: 16px 0 0; }
.facts div { border-top: 1px solid var(--line); padding-top: 6px; }
dt { color: var(--soft); font-size: 12px; } dd { margin: 0; font-weight: 600; }
ol { margin: 0; padding-left: 20px; } li { margin: 4px 0; }
svg { display: block; width: 100%; height: auto; }
.wide { overflow-x: auto; } .wide > svg { min-width: 720px; }
.votes { display: grid; grid-template-columns: fit-content(40%) 1fr 48px; gap: 6px 12px; align-items: center; }
.votes span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; unicode-bidi: isolate; }
.votes svg { height: 14px; }
.votes .count { text-align: right; font-variant-numeric: tabular-nums; }
details { border-top: 1px solid var(--line); }
.winner > details, section > details:first-child { border-top: 0; }
summary { cursor: pointer; padding: 7px 2px; list-style-position: outside; margin-left: 18px; }
summary:hover { background: var(--band); }
summary .row { display: inline-grid; grid-template-columns: 12px minmax(90px, 1.6fr) 1.4fr 1fr 84px; gap: 12px;
  width: calc(100% - 12px); vertical-align: top; align-items: center; }
summary .row > * { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; unicode-bidi: isolate; }
summary .row svg { width: 12px; height: 12px; }
summary .soft, .soft { color: var(--soft); } summary b { font-weight: 650; }
.inner { padding: 2px 0 14px 18px; } .inner:target, tr:target { background: var(--band); }
pre { margin: 4px 0 0; padding: 10px 12px; background: var(--band); border-radius: 8px; max-height: 420px;
  font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
ins { background: var(--add); text-decoration: none; border-radius: 3px; }
del { background: var(--cut); border-radius: 3px; }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
th { text-align: left; color: var(--soft); font-weight: 600; } td, th { padding: 4px 10px 4px 0; vertical-align: top;
  border-top: 1px solid var(--line); } td { min-width: 72px; }
th, .num { overflow-wrap: normal; min-width: 0; } .num { text-align: right; }
a { color: inherit; } .good { color: var(--a0); } .bad { color: var(--bad); } .gold { color: var(--gold); }
@media (max-width: 640px) { summary .row { grid-template-columns: 12px 1fr 84px; }
  summary .row .aside-text { display: none; } }
@media print { section { break-inside: avoid; } }
"""
