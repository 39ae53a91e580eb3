/// Pages, and how they look: on screens from 320 pixels on, light and dark, and on paper.
package enum ReportStyle {
    /// Contrast of text is 4.5 to 1 or more on either ground, that of lines 3 to 1 (WCAG 2.2, 1.4.3 and 1.4.11).
    static let css = """
        :root { --ground: #ffffff; --ink: #1b1f24; --quiet: #57606a; --line: #d0d7de; --best: #0550ae; --other: #6e7781;
          --s0: #0550ae; --s1: #b35900; --s2: #1a7f37; --s3: #a40e8c; --s4: #8a6100; --s5: #57606a; --mark: #fff1b8; }
        @media (prefers-color-scheme: dark) {
          :root { --ground: #0d1117; --ink: #e6edf3; --quiet: #9aa4af; --line: #3d444d; --best: #79b8ff; --other: #8b949e;
            --s0: #79b8ff; --s1: #ffab70; --s2: #7ee787; --s3: #f692ce; --s4: #e3c04b; --s5: #b1bac4; --mark: #5c4a00; } }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
        main { max-width: 60rem; margin: 0 auto; padding: 1rem; }
        h1 { font-size: 1.4rem; margin: 0.2rem 0 0.6rem; overflow-wrap: anywhere; }
        h2 { font-size: 1.15rem; margin: 2rem 0 0.6rem; overflow-wrap: anywhere; }
        .finding { font-size: 1.1rem; margin: 0 0 0.8rem; overflow-wrap: anywhere; }
        .warning { border-left: 4px solid var(--s1); padding-left: 0.7rem; }
        figure { margin: 0; }
        figcaption { color: var(--quiet); font-size: 0.85rem; text-align: left; }
        svg { display: block; width: 100%; height: auto; font: 13px system-ui, sans-serif; }
        .grid { stroke: var(--line); stroke-width: 1; }
        .tick, .axis { fill: var(--quiet); }
        .label { fill: var(--ink); paint-order: stroke; stroke: var(--ground); stroke-width: 4px; }
        .front { fill: none; stroke: var(--best); stroke-width: 1.5; stroke-dasharray: 5 4; }
        .bar { stroke-width: 2; }
        .best { fill: var(--best); stroke: var(--best); }
        .other { fill: var(--other); stroke: var(--other); }
        .cell { fill: var(--best); stroke: var(--ground); stroke-width: 0.5; }
        .line { fill: none; stroke-width: 2; }
        polyline.s0 { stroke: var(--s0); } polyline.s1 { stroke: var(--s1); } polyline.s2 { stroke: var(--s2); }
        polyline.s3 { stroke: var(--s3); } polyline.s4 { stroke: var(--s4); } polyline.s5 { stroke: var(--s5); }
        circle.s0 { fill: var(--s0); } circle.s1 { fill: var(--s1); } circle.s2 { fill: var(--s2); }
        circle.s3 { fill: var(--s3); } circle.s4 { fill: var(--s4); } circle.s5 { fill: var(--s5); }
        .swatch { display: inline-block; width: 0.9rem; height: 0.9rem; margin-right: 0.4rem; border-radius: 50%;
          vertical-align: -0.1rem; }
        .swatch.s0 { background: var(--s0); } .swatch.s1 { background: var(--s1); } .swatch.s2 { background: var(--s2); }
        .swatch.s3 { background: var(--s3); } .swatch.s4 { background: var(--s4); } .swatch.s5 { background: var(--s5); }
        .legend { list-style: none; display: flex; flex-wrap: wrap; gap: 0.2rem 1.2rem; padding: 0; margin: 0 0 0.5rem;
          overflow-wrap: anywhere; }
        .scroll { overflow-x: auto; }
        table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
        th, td { padding: 0.25rem 0.7rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
        th[scope=row], th:first-child { text-align: left; }
        th { font-weight: 600; }
        blockquote { margin: 0 0 1rem; padding: 0 0 0 0.8rem; border-left: 3px solid var(--line); }
        blockquote p { margin: 0.2rem 0; }
        .words { white-space: pre-wrap; overflow-wrap: anywhere; }
        mark { background: var(--mark); color: var(--ink); }
        code { font: 0.9em ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
        dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.2rem 1rem; font-size: 0.9rem; }
        dt { color: var(--quiet); }
        dd { margin: 0; overflow-wrap: anywhere; }
        @media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: 0.4rem; }
          svg { font-size: 22px; } th:first-child { position: sticky; left: 0; background: var(--ground); min-width: 38vw;
          max-width: 45vw;
          white-space: normal; overflow-wrap: anywhere; } }
        @media print { section { break-inside: avoid; } .scroll { overflow: visible; } table { font-size: 0.65rem; } }
        """

    /// A whole page.
    package static func page(title: String, body: String) -> String {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>\(Markup.escaped(title))</title>
        <style>\(css)</style>
        </head>
        <body>
        <main>
        <h1>\(Markup.escaped(title))</h1>
        \(body)
        </main>
        </body>
        </html>

        """
    }
}
