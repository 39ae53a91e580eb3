/// A picture with two axes, as SVG that takes its colours from the page.
package struct Plot {
    static let width = 720.0
    static let height = 380.0
    private static let margins = (left: 84.0, right: 18.0, top: 14.0, bottom: 52.0)

    let x: Axis
    let y: Axis
    /// What it shows, for those who do not see it.
    let summary: String
    private var elements: [String] = []
    /// Where discs and words are.
    private var occupied: [Box] = []

    /// A part of the picture.
    private struct Box {
        var x: ClosedRange<Double>
        var y: ClosedRange<Double>

        func overlaps(_ other: Box) -> Bool { x.overlaps(other.x) && y.overlaps(other.y) }
    }

    package init(x: Axis, y: Axis, summary: String) {
        self.x = x
        self.y = y
        self.summary = summary
    }

    /// Where a pair of values lies.
    func point(_ x: Double, _ y: Double) -> (x: Double, y: Double) {
        let margins = Self.margins
        return (
            margins.left + self.x.place(x) * (Self.width - margins.left - margins.right),
            Self.height - margins.bottom
                - self.y.place(y) * (Self.height - margins.top - margins.bottom)
        )
    }

    private static func number(_ value: Double) -> String { Markup.fixed(value, 1) }

    /// A line through points.
    package mutating func line(_ points: [(x: Double, y: Double)], style: String) {
        let places = points.map { point($0.x, $0.y) }
        let list = places.map { "\(Self.number($0.x)),\(Self.number($0.y))" }.joined(separator: " ")
        elements.append("<polyline class=\"\(style)\" points=\"\(list)\"/>")
    }

    /// A steady line that turns at right angles: what the best is up to each x.
    mutating func steps(_ points: [(x: Double, y: Double)], style: String) {
        var all: [(x: Double, y: Double)] = []
        for point in points {
            if let last = all.last { all.append((point.x, last.y)) }
            all.append(point)
        }
        line(all, style: style)
    }

    /// A disc with a vertical bar from `low` to `high`, and a title that shows where one points at it.
    ///
    /// - Parameter shift: pixels to the right of its place, where several have the same.
    package mutating func mark(
        _ x: Double, _ y: Double, low: Double?, high: Double?, style: String, title: String, shift: Double = 0
    ) {
        let place = point(x, y)
        let column = Self.number(place.x + shift)
        occupied.append(
            Box(x: place.x + shift - 6...place.x + shift + 6, y: place.y - 6...place.y + 6))
        if let low, let high {
            elements.append(
                "<line class=\"bar \(style)\" x1=\"\(column)\" y1=\"\(Self.number(point(x, low).y))\" x2=\"\(column)\" "
                    + "y2=\"\(Self.number(point(x, high).y))\"/>")
        }
        elements.append(
            "<circle class=\"\(style)\" cx=\"\(column)\" cy=\"\(Self.number(place.y))\" r=\"5\"><title>"
                + "\(Markup.escaped(title))</title></circle>")
    }

    /// Words beside a point, or above it and beside, on the side where there is room, moved up or down from discs and words
    /// that are there already; left out where there is no room near by.
    ///
    /// - Parameters:
    ///   - shift: pixels to the left and right of the point that are taken.
    ///   - isLeft: the side; nil: where there is room, first where there is more.
    package mutating func label(
        _ x: Double, _ y: Double, _ text: String, shift: Double = 0, isBeside: Bool = true,
        isLeft side: Bool? = nil
    ) {
        let place = point(x, y)
        // About what a letter takes.
        let width = 7.6 * Double(text.count)
        let right = place.x + shift + 10
        let left = place.x - shift - 10
        let sides = side.map { [$0] } ?? (place.x > Self.width * 0.62 ? [true, false] : [false, true])
        for offset in isBeside ? [4.0, -10, 18, -24, 32] : [-12.0, 22, -26, 36] {
            for isLeft in sides {
                let start = isLeft ? left - width : right
                let box = Box(
                    x: start...start + width, y: place.y + offset - 11...place.y + offset + 3)
                guard start > Self.margins.left, start + width < Self.width, box.y.lowerBound > 2,
                    box.y.upperBound < Self.height - Self.margins.bottom,
                    !occupied.contains(where: { $0.overlaps(box) })
                else { continue }
                occupied.append(box)
                elements.append(
                    "<text class=\"label\" x=\"\(Self.number(isLeft ? left : right))\" "
                        + "y=\"\(Self.number(place.y + offset))\""
                        + (isLeft ? " text-anchor=\"end\"" : "") + ">\(Markup.escaped(text))</text>")
                return
            }
        }
    }

    private var frame: String {
        var parts: [String] = []
        for tick in x.ticks {
            let (bottom, top) = (point(tick, y.range.lowerBound), point(tick, y.range.upperBound))
            parts.append(
                "<line class=\"grid\" x1=\"\(Self.number(bottom.x))\" y1=\"\(Self.number(bottom.y))\" "
                    + "x2=\"\(Self.number(top.x))\" y2=\"\(Self.number(top.y))\"/>"
                    + "<text class=\"tick\" x=\"\(Self.number(bottom.x))\" y=\"\(Self.number(bottom.y + 18))\" "
                    + "text-anchor=\"middle\">\(x.label(tick))</text>")
        }
        for tick in y.ticks {
            let (left, right) = (point(x.range.lowerBound, tick), point(x.range.upperBound, tick))
            parts.append(
                "<line class=\"grid\" x1=\"\(Self.number(left.x))\" y1=\"\(Self.number(left.y))\" "
                    + "x2=\"\(Self.number(right.x))\" y2=\"\(Self.number(right.y))\"/>"
                    + "<text class=\"tick\" x=\"\(Self.number(left.x - 8))\" y=\"\(Self.number(left.y + 4))\" "
                    + "text-anchor=\"end\">\(y.label(tick))</text>")
        }
        let middle = Self.margins.left + (Self.width - Self.margins.left - Self.margins.right) / 2
        let half = Self.margins.top + (Self.height - Self.margins.top - Self.margins.bottom) / 2
        parts.append(
            "<text class=\"axis\" x=\"\(Self.number(middle))\" y=\"\(Self.number(Self.height - 8))\" "
                + "text-anchor=\"middle\">\(Markup.escaped(x.title))</text>"
                + "<text class=\"axis\" transform=\"translate(16 \(Self.number(half))) rotate(-90)\" "
                + "text-anchor=\"middle\">\(Markup.escaped(y.title))</text>")
        return parts.joined(separator: "\n")
    }

    /// The picture.
    package var svg: String {
        """
        <svg viewBox="0 0 \(Int(Self.width)) \(Int(Self.height))" role="img" aria-label="\(Markup.escaped(summary))">
        \(frame)
        \(elements.joined(separator: "\n"))
        </svg>
        """
    }
}
