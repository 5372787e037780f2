"""The style sheet of the report's page: light or dark as the reader's system is, from telephone to wide screen."""

CSS = """
:root {
  --page: #f6f7f9; --card: #fff; --ink: #171a21; --quiet: #5f6775; --line: #e3e6eb;
  --accent: 37 99 235; --wrong: 220 90 20;
  --missed: #d9480f; --spurious: #7048e8; --wrong_type: #c2255c; --wrong_border: #1c7ed6; --wrong_border_and_type: #868e96;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0e1116; --card: #171b22; --ink: #e8eaee; --quiet: #98a1b0; --line: #2a303a;
    --accent: 96 150 255; --wrong: 250 130 60;
    --missed: #ff8a4c; --spurious: #9d80ff; --wrong_type: #f06595; --wrong_border: #4dabf7; --wrong_border_and_type: #adb5bd;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; font-variant-numeric: tabular-nums;
}
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.25rem 3rem; display: grid; gap: 1.25rem; grid-template-columns: minmax(0, 1fr); }
h1, h2, p, dl, dd, ul, ol { margin: 0; padding: 0; }
h1 { font-size: 1.9rem; line-height: 1.2; letter-spacing: -.02em; overflow-wrap: anywhere; }
h2 { font-size: 1rem; margin-bottom: .8rem; }
.eyebrow { color: rgb(var(--accent)); font-weight: 600; font-size: .85rem; }
.quiet, small { color: var(--quiet); font-size: .87rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 1.25rem; }

.headline { display: flex; flex-wrap: wrap; gap: 1.5rem 2.5rem; align-items: center; }
.ring {
  width: 9.5rem; height: 9.5rem; padding: .8rem; border-radius: 50%; flex: none;
  background: conic-gradient(rgb(var(--accent)) calc(var(--v) * 1turn), var(--line) 0);
}
.ring > div { height: 100%; border-radius: 50%; background: var(--card); display: grid; place-content: center; text-align: center; }
.ring strong { font-size: 2.5rem; line-height: 1; letter-spacing: -.03em; }
.ring span { color: var(--quiet); font-size: .87rem; margin-top: .3rem; }
.headline dl { flex: 1 1 16rem; display: grid; grid-template-columns: repeat(auto-fit, minmax(7rem, 1fr)); gap: 1.5rem; }
.headline dt { color: var(--quiet); font-size: .87rem; }
.headline dd { font-size: 1.6rem; font-weight: 600; letter-spacing: -.02em; }
.bar {
  display: block; height: 5px; border-radius: 3px;
  background: linear-gradient(rgb(var(--accent)) 0 0) 0 / calc(var(--v) * 100%) no-repeat var(--line);
}

.scroll { overflow-x: auto; }
.scroll th:first-child { position: sticky; left: 0; background: var(--card); }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .42rem .7rem; text-align: right; border-bottom: 1px solid var(--line); font-weight: 400; }
th:first-child { text-align: left; padding-left: 0; }
td:last-child, th:last-child { padding-right: 0; }
thead th { color: var(--quiet); font-size: .82rem; white-space: nowrap; }
tbody th { font-weight: 500; }
tbody:last-child tr:last-child > * { border-bottom: 0; }
tfoot th { color: var(--quiet); }
tfoot tr:last-child > * { border-bottom: 0; }
th small { display: block; font-weight: 400; }
.barred { width: 34%; min-width: 7rem; }
.barred b { font-weight: 600; display: inline-block; min-width: 3.2rem; }
td.barred .bar { display: inline-block; width: calc(100% - 4.2rem); vertical-align: middle; }
.time b { min-width: 6.5rem; }
.time td.barred { width: 66%; }
.time td.barred .bar { width: calc(100% - 6.6rem); }
td.barred, table:has(.barred) thead th:nth-child(2) { text-align: left; white-space: nowrap; }

.stack { display: flex; gap: 2px; height: 16px; border-radius: 8px; overflow: hidden; margin-bottom: 1rem; }
.stack i { flex: 0 1 3px; min-width: 3px; }
.legend { list-style: none; display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: .7rem 1.5rem; }
.legend li { display: grid; grid-template-columns: auto 1fr; column-gap: .55rem; align-items: baseline; align-content: start; }
.legend b { font-weight: 600; }
.legend .quiet { grid-column: 2; }
.legend i, summary i { width: .7rem; height: .7rem; border-radius: 3px; display: inline-block; }
i.missed { background: var(--missed); } i.spurious { background: var(--spurious); }
i.wrong_type { background: var(--wrong_type); } i.wrong_border { background: var(--wrong_border); }
i.wrong_border_and_type { background: var(--wrong_border_and_type); }

.confusion { margin-bottom: .7rem; }
.confusion table { width: auto; }
.confusion th:first-child, .confusion td { white-space: nowrap; }
.confusion td {
  min-width: 2.3rem; padding: .4rem .3rem; font-size: .87rem; text-align: center; border: 2px solid var(--card); border-radius: 7px;
}
.confusion th { border: 0; vertical-align: bottom; }
.confusion tbody th { vertical-align: middle; padding-right: .9rem; }
.confusion .upright span { writing-mode: vertical-rl; transform: rotate(180deg); max-height: 11rem; }
.confusion .upright { text-align: center; padding: .3rem .5rem; }
.hit { background: rgb(var(--accent) / calc(.05 + var(--v) * .6)); }
.miss { background: rgb(var(--wrong) / calc(.03 + min(var(--v) * 1.6, .65))); }

details { border-top: 1px solid var(--line); }
section > p + details { margin-top: .8rem; }
summary { cursor: pointer; padding: .65rem 0; font-weight: 600; }
summary i { margin-right: .55rem; }
ol { list-style: none; display: grid; gap: .8rem; padding-bottom: 1rem; }
ol li { padding-left: .9rem; border-left: 3px solid var(--line); min-width: 0; }
.context { overflow-wrap: anywhere; }
.facts { display: flex; flex-wrap: wrap; gap: .2rem .7rem; align-items: baseline; overflow-wrap: anywhere; }
mark { color: inherit; background: none; padding: .1em 0; }
mark.g { box-shadow: inset 0 -2px rgb(var(--accent)); }
mark.p { background: rgb(var(--wrong) / .22); }
.chip.g { color: rgb(var(--accent)); font-weight: 600; }
.chip.p { color: rgb(var(--wrong)); font-weight: 600; }
.chip.g + .chip.p::before { content: "→ "; color: var(--quiet); }
footer { text-align: center; overflow-wrap: anywhere; }
@media (max-width: 34rem) {
  main { padding: 1.25rem .75rem; }
  section { padding: 1rem; }
  .headline { justify-content: center; }
  .headline dl { grid-template-columns: repeat(3, 1fr); gap: .9rem; }
  th, td { padding: .42rem .4rem; }
  .barred, .time td.barred { width: auto; min-width: 0; }
  td.barred .bar { display: none; }
}
@media print { body { background: none; } section { break-inside: avoid; } }
"""
