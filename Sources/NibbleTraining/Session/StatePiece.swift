internal import NibbleQuantization
internal import NibbleTensor

/// A part of a student's state that is saved as a tensor.
struct StatePiece {
    var name: String
    var shape: [Int]
    var element: SavedTensor.Element = .f32
    var memory: Memory
}

extension Student {
    /// All of it, in the order of the file. Weights that are not trained have no moments.
    var statePieces: [StatePiece] {
        matrices.flatMap(\.statePieces)
            + vectors.flatMap { vector in
                [("", vector.masters), (".m", vector.firstMoments), (".v", vector.secondMoments)].map {
                    StatePiece(name: vector.name + $0.0, shape: [vector.count], memory: $0.1)
                }
            }
    }
}

extension TrainedMatrix {
    fileprivate var statePieces: [StatePiece] {
        var pieces =
            switch state {
            case .float(let floats): statePieces(floats)
            case .compact(let compact): statePieces(compact)
            }
        guard let scales else { return pieces }
        let shape = [rows, scales.perRow]
        for (ending, memory) in [
            ("", scales.masters), (".m", scales.firstMoments), (".v", scales.secondMoments),
        ] {
            pieces.append(StatePiece(name: name + ".scales" + ending, shape: shape, memory: memory))
        }
        return pieces
    }

    private func statePieces(_ floats: WeightState.Floats) -> [StatePiece] {
        var parts = [("", floats.weights)]
        if trainsWeights { parts += [(".m", floats.firstMoments), (".v", floats.secondMoments)] }
        return parts.map { StatePiece(name: name + $0.0, shape: [rows, columns], memory: $0.1) }
    }

    private func statePieces(_ compact: WeightState.Compact) -> [StatePiece] {
        var pieces: [StatePiece] = []
        switch compact.weights.kind {
        case .none: break
        case .positions:
            pieces.append(
                StatePiece(
                    name: name + ".positions", shape: [rows, columns], element: .i8,
                    memory: compact.weights.memory))
        case .bfloat16:
            pieces.append(
                StatePiece(
                    name: name, shape: [rows, columns], element: .bf16, memory: compact.weights.memory))
        }
        if compact.weights.kind != .bfloat16 {
            pieces.append(
                StatePiece(
                    name: name + ".blocks", shape: [rows, quantizer.rowBytes], element: .u8, memory: encoded))
        }
        for (ending, moments) in [(".m", compact.firstMoments), (".v", compact.secondMoments)] {
            guard let moments else { continue }
            pieces.append(
                StatePiece(
                    name: name + ending, shape: [rows, columns], element: .u8, memory: moments.codes))
            pieces.append(
                StatePiece(
                    name: name + ending + ".magnitudes", shape: [rows, moments.blocksPerRow],
                    memory: moments.magnitudes))
        }
        return pieces
    }
}
