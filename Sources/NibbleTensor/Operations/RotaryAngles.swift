internal import CLibrary

// @unchecked: filled by init and only read afterwards.
/// Cosines and sines of the rotary embedding (Su et al. 2021) for the tokens of a layout.
///
/// Pair i of a head is turned by position / (base^(2i / head) · divisor i). Angles are products in `Float`, as
/// `transformers` computes them.
public final class RotaryAngles: @unchecked Sendable {
    /// The layout they are for.
    public let layout: PanelLayout
    /// Width of a head.
    public let head: Int
    /// Whether pairs are neighbours (2i, 2i + 1) rather than i and i + head / 2.
    public let isInterleaved: Bool
    /// `[panel of a sequence][cosines, sines][head / 2][width]`
    private let buffer: Buffer
    private let panels: Int

    /// - Parameters:
    ///   - frequencies: radians a position, one a pair.
    ///   - positions: of every lane of every panel of a sequence, which all sequences share.
    init(
        layout: PanelLayout, frequencies: [Float], isInterleaved: Bool, positions: (Int) -> Int,
        pool: BufferPool
    ) {
        self.layout = layout
        head = 2 * frequencies.count
        self.isInterleaved = isInterleaved
        panels = layout.panelsPerSequence
        let half = frequencies.count * layout.width
        buffer = pool.take(bytes: 2 * half * panels * 4)
        let values = buffer.bound(to: Float.self)
        for panel in 0..<panels {
            for (pair, frequency) in frequencies.enumerated() {
                let start = values + 2 * half * panel + pair * layout.width
                for lane in 0..<layout.width {
                    let angle = Double(Float(positions(panel * layout.width + lane)) * frequency)
                    start[lane] = Float(cos(angle))
                    start[half + lane] = Float(sin(angle))
                }
            }
        }
    }

    /// Those of a panel of the batch.
    func panel(_ index: Int) -> (cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>) {
        let half = head / 2 * layout.width
        let start = buffer.bound(to: Float.self) + 2 * half * (index % panels)
        return (UnsafePointer(start), UnsafePointer(start + half))
    }

    /// The frequencies of heads of width `head`: base^(-2i / head) / divisor, times `scale`.
    public static func frequencies(
        base: Double, head: Int, scale: Float = 1, divisors: [Float]? = nil
    ) -> [Float] {
        (0..<head / 2).map { pair in
            let exponent = Float(2 * pair) / Float(head)
            return 1 / Float(pow(base, Double(exponent))) * scale / (divisors?[pair] ?? 1)
        }
    }
}

extension Compute {
    /// Angles for sequences whose first token is at position `start`.
    public func rotaryAngles(
        layout: PanelLayout, frequencies: [Float], isInterleaved: Bool, start: Int = 0
    ) -> RotaryAngles {
        RotaryAngles(
            layout: layout, frequencies: frequencies, isInterleaved: isInterleaved, positions: { start + $0 },
            pool: pool)
    }

    /// Angles for one token of each of several sequences, which lie side by side at `positions`.
    public func rotaryAngles(
        layout: PanelLayout, frequencies: [Float], isInterleaved: Bool, positions: [Int]
    ) -> RotaryAngles {
        RotaryAngles(
            layout: layout, frequencies: frequencies, isInterleaved: isInterleaved,
            positions: { $0 < positions.count ? positions[$0] : 0 }, pool: pool)
    }
}
