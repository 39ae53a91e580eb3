// @unchecked: operations write to disjoint parts from their threads and return when all are done.
/// Activations of a batch: ``features`` values of every token, in the panels of ``layout``.
public final class Tensor: @unchecked Sendable {
    /// Values of a token.
    public let features: Int
    /// Where the tokens lie.
    public let layout: PanelLayout
    private let buffer: Buffer
    /// The first panel.
    let values: UnsafeMutablePointer<Float>

    init(features: Int, layout: PanelLayout, pool: BufferPool) {
        precondition(features > 0, "\(features) features")
        self.features = features
        self.layout = layout
        buffer = pool.take(bytes: features * layout.width * layout.panels * 4)
        values = buffer.bound(to: Float.self)
    }

    /// Values of a panel, padding included.
    var panelCount: Int { features * layout.width }

    /// Panel `index`: `[features][width]`.
    package func panel(_ index: Int) -> UnsafeMutablePointer<Float> { values + index * panelCount }

    /// All panels as they lie in memory, padding included.
    package var bytes: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: values, count: 4 * panelCount * layout.panels)
    }

    /// The features of one token.
    public func column(sequence: Int, position: Int) -> [Float] {
        let (panel, lane) = layout.place(sequence: sequence, position: position)
        let start = self.panel(panel) + lane
        return (0..<features).map { start[$0 * layout.width] }
    }

    /// Sets the features of one token.
    public func setColumn(sequence: Int, position: Int, to column: Span<Float>) {
        precondition(column.count == features, "\(column.count) values for \(features) features")
        let (panel, lane) = layout.place(sequence: sequence, position: position)
        let start = self.panel(panel) + lane
        for feature in 0..<features { start[feature * layout.width] = column[feature] }
    }

    /// Sets every value, of padding too.
    public func fill(_ value: Float) { values.update(repeating: value, count: panelCount * layout.panels) }

    /// A value of a token.
    public struct Element: Equatable, Sendable {
        /// Which sequence of the layout.
        public var sequence: Int
        /// The token's position in it.
        public var position: Int
        /// The feature.
        public var feature: Int
        /// What is there.
        public var value: Float
    }

    /// Whether all values of all tokens are finite; padding is not looked at.
    public var isFinite: Bool { firstNonFinite == nil }

    /// The first value that is NaN or infinite, in the order of memory; padding is not looked at.
    public var firstNonFinite: Element? {
        for panel in 0..<layout.panels {
            let (sequence, place) = panel.quotientAndRemainder(dividingBy: layout.panelsPerSequence)
            let first = place * layout.width
            let lanes = min(layout.width, layout.length - first)
            let start = self.panel(panel)
            for feature in 0..<features {
                for lane in 0..<lanes {
                    let value = start[feature * layout.width + lane]
                    guard !value.isFinite else { continue }
                    return Element(
                        sequence: sequence, position: first + lane, feature: feature, value: value)
                }
            }
        }
        return nil
    }
}

extension Compute {
    /// A tensor with arbitrary contents.
    public func tensor(features: Int, layout: PanelLayout) -> Tensor {
        Tensor(features: features, layout: layout, pool: pool)
    }
}
