internal import NibbleTensor

/// Weights of a trained matrix and their moments, between steps.
enum WeightState: Sendable {
    /// All in F32, `[rows, columns]` each.
    case float(Floats)
    /// In 8 bits, or 16.
    case compact(Compact)

    // @unchecked: as TrainedMatrix.
    /// Masters and moments in F32.
    final class Floats: @unchecked Sendable {
        let weights: Memory
        /// Empty where weights are not trained.
        let firstMoments: Memory
        let secondMoments: Memory

        init(rows: Int, columns: Int, trainsWeights: Bool) {
            let bytes = rows * columns * 4
            weights = Memory(byteCount: bytes)
            firstMoments = Memory(byteCount: trainsWeights ? bytes : 0)
            secondMoments = Memory(byteCount: trainsWeights ? bytes : 0)
        }
    }

    /// What there is besides encoded blocks.
    struct Compact: Sendable {
        let weights: CompactWeights
        /// Nil where weights are not trained.
        let firstMoments: BlockwiseMoments?
        let secondMoments: BlockwiseMoments?
    }

    init(
        _ kind: Recipe.Optimizer.State, rows: Int, columns: Int, name: String, trainsWeights: Bool,
        holdsCodes: Bool
    ) {
        switch kind {
        case .f32:
            self = .float(Floats(rows: rows, columns: columns, trainsWeights: trainsWeights))
        case .int8:
            let stored = Self.stored(trainsWeights: trainsWeights, holdsCodes: holdsCodes)
            func moments(_ quantization: DynamicQuantization) -> BlockwiseMoments? {
                trainsWeights ? BlockwiseMoments(rows: rows, columns: columns, quantization) : nil
            }
            self = .compact(
                Compact(
                    weights: CompactWeights(stored, rows: rows, columns: columns, name: name),
                    firstMoments: moments(.signed), secondMoments: moments(.unsigned)))
        }
    }

    /// What the compact state stores of a weight.
    private static func stored(trainsWeights: Bool, holdsCodes: Bool) -> CompactWeights.Kind {
        guard holdsCodes else { return .bfloat16 }
        return trainsWeights ? .positions : .none
    }

    /// Bytes of it, known from a shape.
    static func byteCount(
        _ kind: Recipe.Optimizer.State, rows: Int, columns: Int, trainsWeights: Bool, holdsCodes: Bool
    ) -> Int {
        switch kind {
        case .f32: return (trainsWeights ? 12 : 4) * rows * columns
        case .int8:
            let weights =
                stored(trainsWeights: trainsWeights, holdsCodes: holdsCodes).byteCount * rows * columns
            return weights
                + (trainsWeights ? 2 * BlockwiseMoments.byteCount(rows: rows, columns: columns) : 0)
        }
    }
}

/// Some rows of a matrix while a step changes them, in F32.
struct MatrixRows {
    let weights: UnsafeMutableBufferPointer<Float>
    /// Moments of AdamW; nil where weights are not trained.
    let moments: (first: UnsafeMutablePointer<Float>, second: UnsafeMutablePointer<Float>)?
}
