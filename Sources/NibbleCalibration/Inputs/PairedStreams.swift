internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleTensor

/// Sequences on their way through an unquantized model and, where inputs are compared, through the quantized one, whose
/// matrices are rounded just ahead of them.
///
/// The residual streams before a sublayer and those behind it are two levels of the files: a process that ends within a
/// sublayer leaves what was before it.
struct PairedStreams {
    /// The unquantized model.
    let reference: LanguageModel
    /// Sequences of both.
    let count: Int
    /// The residual streams in the unquantized model.
    let exact: StreamStore
    /// The same in the quantized one; nil where it does not matter.
    let rounded: StreamStore?
    /// The inputs of the last matrix of each sublayer in the quantized model.
    let inputs: [Sublayer: StreamStore]

    /// Puts the streams before the first block into the files.
    ///
    /// - Parameter quantized: the quantized model, as far as it is before its blocks.
    func embed(_ sequences: [[Int32]], quantized: LanguageModel) throws(CheckpointError) {
        for (index, sequence) in sequences.enumerated() {
            try exact.write(
                try CheckpointError.of { () throws(ModelError) in try reference.embed(sequence) },
                first: index)
            try rounded?.write(
                try CheckpointError.of { () throws(ModelError) in try quantized.embed(sequence) },
                first: index)
        }
    }

    /// Looks at the inputs of some matrices of a block, and passes the unquantized model's streams on where these are the
    /// last of a sublayer.
    ///
    /// - Parameters:
    ///   - quantized: the quantized model, its matrices before those rounded.
    ///   - see: is given of each sequence the inputs in the unquantized model, and what those of the quantized one lack.
    func look(
        at group: Sublayer.InputGroup, of layer: Int, quantized: LanguageModel,
        see: (_ index: Int, _ x: Tensor, _ lost: Tensor?) throws(CheckpointError) -> Void
    ) throws(CheckpointError) {
        let level = Self.level(group.sublayer, of: layer)
        for index in 0..<count {
            let stream = try exact.read(level: level, index..<index + 1)
            let x = reference.input(of: group, layer: layer, stream)
            var lost: Tensor?
            if let rounded {
                let own = quantized.input(
                    of: group, layer: layer, try rounded.read(level: level, index..<index + 1))
                if group.isLast { try inputs[group.sublayer]?.write(own, first: index) }
                lost = reference.compute.subtract(own, from: x)
            }
            try see(index, x, lost)
            guard group.isLast else { continue }
            try exact.write(
                reference.add(x, through: group.sublayer, of: layer, to: stream), level: 1 - level,
                first: index)
        }
    }

    /// Passes the quantized model's streams through a sublayer, which is rounded by then.
    ///
    /// - Returns: their error as a share of the unquantized model's streams: the root of the sums of squares; nil where
    ///   there are none.
    func follow(
        through sublayer: Sublayer, of layer: Int, quantized: LanguageModel
    ) throws(CheckpointError) -> Double? {
        guard let rounded, let inputs = inputs[sublayer] else { return nil }
        let level = Self.level(sublayer, of: layer)
        let compute = reference.compute
        var (error, size) = (0.0, 0.0)
        for index in 0..<count {
            let one = index..<index + 1
            let stream = quantized.add(
                try inputs.read(one), through: sublayer, of: layer,
                to: try rounded.read(level: level, one))
            try rounded.write(stream, level: 1 - level, first: index)
            let target = try exact.read(level: 1 - level, one)
            size += compute.squaresOfTokens(target).reduce(0) { $0 + Double($1) }
            error += compute.squaresOfTokens(compute.subtract(stream, from: target))
                .reduce(0) { $0 + Double($1) }
        }
        return (error / size).squareRoot()
    }

    /// Passes all sequences through a sublayer that an earlier process rounded.
    func pass(
        _ sublayer: Sublayer, of layer: Int, quantized: LanguageModel
    ) throws(CheckpointError) {
        let level = Self.level(sublayer, of: layer)
        for index in 0..<count {
            for (model, store) in [(reference, exact), (quantized, rounded)] {
                guard let store else { continue }
                let stream = try store.read(level: level, index..<index + 1)
                try store.write(
                    model.advance(stream, through: sublayer, of: layer), level: 1 - level, first: index)
            }
        }
    }

    /// The level of the files that holds the streams before a sublayer.
    static func level(_ sublayer: Sublayer, of layer: Int) -> Int {
        (layer * Sublayer.allCases.count + (Sublayer.allCases.firstIndex(of: sublayer) ?? 0)) % 2
    }
}
