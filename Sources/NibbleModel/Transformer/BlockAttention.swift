internal import NibbleTensor
internal import Synchronization

/// Where a block's attention finds its keys and values.
struct BlockAttention {
    /// Those of the layer.
    var cache: KeyValueCache
    /// What the tokens of the pass are in it.
    var place: Place
    /// Rotary angles of the tokens.
    var angles: LayerAngles

    enum Place {
        /// Sequences from number `first` of the cache on, whose tokens begin at position `start`.
        case batch(first: Int, start: Int)
        /// One token of each sequence, at these positions.
        case step(positions: [Int])
    }

    func apply(
        _ query: Tensor, _ key: Tensor, _ value: Tensor, window: Int?, _ compute: Compute, tape: Tape?
    ) -> Tensor {
        switch place {
        case .batch(let first, let start):
            return compute.attention(
                query: query, key: key, value: value, cache: cache, first: first, start: start,
                window: window, tape: tape)
        case .step(let positions):
            precondition(tape == nil, "single steps are not differentiated")
            return compute.stepAttention(
                query: query, key: key, value: value, cache: cache, positions: positions, window: window)
        }
    }
}

/// The rotary angles of the last layout that asked for them: one pass after the other has the same, and to compute them
/// takes longer than a small block.
final class AngleCache: Sendable {
    private let last = Mutex<(layout: PanelLayout, angles: LayerAngles)?>(nil)

    /// Angles of sequences that begin at position 0.
    func angles(_ layout: PanelLayout, _ make: () -> LayerAngles) -> LayerAngles {
        last.withLock { last in
            if let last, last.layout == layout { return last.angles }
            let angles = make()
            last = (layout, angles)
            return angles
        }
    }
}

/// Rotary angles of both kinds of layers.
struct LayerAngles {
    var global: RotaryAngles
    var sliding: RotaryAngles
}
