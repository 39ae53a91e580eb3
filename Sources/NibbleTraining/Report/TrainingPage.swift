public import NibbleEvaluation
internal import NibbleQuantization

/// How a run went, as one page of HTML that needs nothing else: no network, no script.
///
/// ```swift
/// let status = try RunStatus(path: "run")
/// print(TrainingPage(status, path: "run", facts: []).html)
/// ```
public struct TrainingPage: Sendable {
    private let status: RunStatus
    private let path: String
    private let facts: [(name: String, value: String)]
    private var history: RunHistory { status.history }

    /// - Parameters:
    ///   - path: what the run is called.
    ///   - facts: what else is to be said of it.
    public init(_ status: RunStatus, path: String, facts: [(name: String, value: String)]) {
        self.status = status
        self.path = path
        self.facts = facts
    }

    /// The page.
    public var html: String {
        let title = "\(path): training toward \(status.type.rawValue)"
        let list = facts.map { "<dt>\(Markup.escaped($0.name))</dt><dd>\(Markup.escaped($0.value))</dd>" }
        let run = ReportSection("The run", "<dl>\(list.joined(separator: "\n"))</dl>")
        let sections = curves + [rates].compactMap { $0 } + [run]
        return ReportStyle.page(
            title: title,
            body: """
                <p class="finding">\(finding)</p>
                \(sections.map(\.html).joined(separator: "\n"))
                """)
    }

    /// Divergence on held-out text and training loss over the steps; what has fewer than two figures is left out.
    public var curves: [ReportSection] { [heldOut, losses].compactMap { $0 } }

    /// What training won back so far, in a sentence or two.
    private var finding: String {
        let state =
            "\(Markup.figure(status.step, "\(status.step)")) of "
            + "\(Markup.figure(status.identity.totalSteps, "\(status.identity.totalSteps)")) steps are done"
        guard let last = history.heldOut.last, last.value.isFinite else {
            return state + ". Nothing was held out from the text, so that nothing says what they gained."
        }
        var text =
            state + ". On held-out text the weights diverge from the unquantized model by "
            + Markup.figure(last.value, Markup.significant) + " nats a token"
        if let rounded = history.rounded, rounded > last.value {
            text +=
                ", rounded to nearest by \(Markup.figure(rounded, Markup.significant)): "
                + "\(Markup.fixed(100 * (1 - last.value / rounded), 0)) % less"
        }
        if let before = history.roundedPerplexity, let teacher = history.teacherPerplexity,
            let now = history.perplexities.last?.value, before > teacher, now.isFinite
        {
            text +=
                ". Of the loss in perplexity, \(Markup.figure(teacher) { Markup.fixed($0, 3) }) to "
                + "\(Markup.figure(before) { Markup.fixed($0, 3) }), "
                + "\(Markup.fixed(100 * (before - now) / (before - teacher), 1)) % is won back"
        }
        return text + "."
    }

    private var heldOut: ReportSection? {
        let points = history.heldOut.filter(\.value.isFinite)
        guard points.count > 1 else { return nil }
        let all = points.map(\.value) + [history.rounded].compactMap { $0 }
        var plot = Plot(
            x: Axis(linear: points.map { Double($0.step) }, title: "step", fromZero: true),
            y: Axis(logarithmic: all, title: "divergence in nats a token"),
            summary: "Divergence on held-out text over \(points.count) evaluations")
        plot.line(points.map { (Double($0.step), $0.value) }, style: "line s0")
        for point in points {
            plot.mark(
                Double(point.step), point.value, low: nil, high: nil,
                style: point.step == status.best?.step ? "best" : "s0",
                title: "step \(point.step): \(Markup.significant(point.value)) nats")
        }
        if let rounded = history.rounded {
            plot.mark(0, rounded, low: nil, high: nil, style: "other", title: "rounded to nearest")
            plot.label(0, rounded, "rounded to nearest")
        }
        if let best = status.best, best.value.isFinite {
            plot.label(Double(best.step), best.value, "best", isBeside: false)
        }
        return ReportSection("On held-out text", "<figure>\(plot.svg)</figure>")
    }

    private var losses: ReportSection? {
        Self.curve("Training loss", history.losses, style: "s1") {
            Axis(logarithmic: $0, title: "training loss")
        }
    }

    private var rates: ReportSection? {
        Self.curve("Learning rate", history.learningRates, style: "s2") {
            Axis(linear: $0, title: "learning rate", fromZero: true)
        }
    }

    /// A figure of each step as a section of its own; nothing with fewer than two.
    private static func curve(
        _ title: String, _ figures: [RunHistory.Point], style: String, y: ([Double]) -> Axis
    ) -> ReportSection? {
        let points = thinned(figures)
        guard points.count > 1 else { return nil }
        var plot = Plot(
            x: Axis(linear: points.map(\.x), title: "step", fromZero: true), y: y(points.map(\.y)),
            summary: "\(title) over \(figures.count) steps")
        plot.line(points, style: "line \(style)")
        return ReportSection(title, "<figure>\(plot.svg)</figure>")
    }

    /// At most 400 points, each the mean of as many steps.
    private static func thinned(_ points: [RunHistory.Point]) -> [(x: Double, y: Double)] {
        let finite = points.filter(\.value.isFinite)
        let count = min(finite.count, 400)
        return (0..<count).map { place in
            let part = finite[place * finite.count / count..<(place + 1) * finite.count / count]
            let size = Double(part.count)
            return (part.reduce(0) { $0 + Double($1.step) } / size, part.reduce(0) { $0 + $1.value } / size)
        }
    }
}
