public import NibbleCheckpoint
internal import NibbleNumerics
internal import NibbleTensor

/// How far a matrix lies from that of another model.
public struct WeightError: Sendable, Equatable {
    /// What it is for.
    public let role: TensorRole
    /// Its GGUF name.
    public let name: String
    /// ‖W - W_base‖ / ‖W_base‖ in Frobenius' norm; NaN where the base's is 0.
    public let relative: Double
}

extension LanguageModel {
    /// How far the matrices of all blocks, the embedding and the head lie from those of `base`; nil where its shape is another.
    ///
    /// Rows of query and key are compared in the order of the base. The result does not depend on the number of threads.
    public func weightErrors(from base: LanguageModel) -> [WeightError]? {
        guard hasShape(of: base) else { return nil }
        var errors = [error(TensorRole(.tokenEmbedding), embedding, base.embedding, base)]
        for (layer, block) in blocks.enumerated() {
            for kind in Sublayer.inputGroups.flatMap(\.kinds) {
                errors.append(
                    error(
                        TensorRole(kind, layer: layer), block[matrix: kind], base.blocks[layer][matrix: kind],
                        base))
            }
        }
        if !configuration.tiesEmbeddings || !base.configuration.tiesEmbeddings {
            errors.append(error(TensorRole(.output), head, base.head, base))
        }
        return errors
    }

    /// Whether all matrices have the same sizes.
    private func hasShape(of other: LanguageModel) -> Bool {
        func sizes(_ model: LanguageModel) -> [Int] {
            let shape = model.configuration
            return [
                shape.layerCount, shape.embeddingLength, shape.feedForwardLength, shape.headCount,
                shape.keyValueHeadCount, shape.headDimension, model.vocabularySize,
            ]
        }
        return sizes(self) == sizes(other)
    }

    private func error(
        _ role: TensorRole, _ own: Matrix, _ other: Matrix, _ base: LanguageModel
    ) -> WeightError {
        let transform = ValueTransform(
            from: convention(of: role.kind), to: base.convention(of: role.kind), rows: own.rows)
        let sums = Memory(byteCount: 16 * own.rows)
        let level = compute.level
        compute.forEachRows(of: own.rows) { rows in
            let values = Memory(byteCount: 8 * own.columns)
            let (left, right) = (values.floats, values.floats + own.columns)
            for row in rows {
                let source = transform.sourceRow(row)
                own.decode(source..<source + 1, into: left, level: level)
                other.decode(row..<row + 1, into: right, level: level)
                var (difference, size) = (0.0, 0.0)
                for column in 0..<own.columns {
                    let (a, b) = (Double(left[column]), Double(right[column]))
                    difference += (a - b) * (a - b)
                    size += b * b
                }
                sums.bytes.storeBytes(of: difference, toByteOffset: 16 * row, as: Double.self)
                sums.bytes.storeBytes(of: size, toByteOffset: 16 * row + 8, as: Double.self)
            }
        }
        var (difference, size) = (0.0, 0.0)
        for row in 0..<own.rows {
            difference += sums.bytes.load(fromByteOffset: 16 * row, as: Double.self)
            size += sums.bytes.load(fromByteOffset: 16 * row + 8, as: Double.self)
        }
        let name = NamingScheme.gguf.name(of: role, in: configuration.architecture) ?? "\(role)"
        return WeightError(role: role, name: name, relative: (difference / size).squareRoot())
    }

    /// How the rows of a matrix lie.
    private func convention(of kind: TensorRole.Kind) -> ValueConvention {
        guard isInterleaved else { return ValueConvention() }
        switch kind {
        case .attentionQuery: return ValueConvention(interleavedHeads: configuration.headCount)
        case .attentionKey: return ValueConvention(interleavedHeads: configuration.keyValueHeadCount)
        default: return ValueConvention()
        }
    }
}
