internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleTensor

/// Sequences on their way through an unquantized model and, where inputs are compared, through quantized ones, whose
/// matrices are rounded just ahead of them.
///
/// The residual streams before a sublayer and those behind it are two levels of the files: a process that ends within a
/// sublayer leaves what was before it.
struct PairedStreams {
    /// The unquantized model.
    let reference: LanguageModel
    /// Sequences of all.
    let count: Int
    /// The residual streams in the unquantized model.
    let exact: StreamStore
    /// What there is of each quantized model; nothing where it does not matter.
    let rounded: [Rounded]

    /// The sequences in a quantized model.
    struct Rounded {
        /// The residual streams.
        let streams: StreamStore
        /// The inputs of the last matrix of each sublayer.
        let inputs: [Sublayer: StreamStore]
    }

    /// Puts the streams before the first block into the files.
    ///
    /// - Parameter quantized: gives a quantized model, as far as it is before its blocks.
    func embed(
        _ sequences: [[Int32]], quantized: (_ variant: Int) throws(CheckpointError) -> LanguageModel
    ) throws(CheckpointError) {
        func embed(_ model: LanguageModel, _ store: StreamStore) throws(CheckpointError) {
            for (index, sequence) in sequences.enumerated() {
                try store.write(
                    try CheckpointError.of { () throws(ModelError) in try model.embed(sequence) },
                    first: index)
            }
        }
        try embed(reference, exact)
        for (variant, own) in rounded.enumerated() { try embed(try quantized(variant), own.streams) }
    }

    /// Looks at the inputs of some matrices of a block, and passes the unquantized model's streams on where these are the
    /// last of a sublayer.
    ///
    /// - Parameters:
    ///   - quantized: the quantized models, their matrices before those rounded.
    ///   - see: is given of each sequence the inputs in the unquantized model.
    ///   - compare: is then given of each quantized model what the inputs in it lack of them.
    func look(
        at group: Sublayer.InputGroup, of layer: Int, quantized: [LanguageModel],
        see: (_ index: Int, _ x: Tensor) throws(CheckpointError) -> Void,
        compare: (_ variant: Int, _ index: Int, _ x: Tensor, _ lost: Tensor) throws(CheckpointError) -> Void
    ) throws(CheckpointError) {
        let level = Self.level(group.sublayer, of: layer)
        for index in 0..<count {
            let stream = try exact.read(level: level, index..<index + 1)
            let x = reference.input(of: group, layer: layer, stream)
            try see(index, x)
            for (variant, rounded) in rounded.enumerated() {
                let own = quantized[variant].input(
                    of: group, layer: layer, try rounded.streams.read(level: level, index..<index + 1))
                if group.isLast { try rounded.inputs[group.sublayer]?.write(own, first: index) }
                try compare(variant, index, x, reference.compute.subtract(own, from: x))
            }
            guard group.isLast else { continue }
            try exact.write(
                reference.add(x, through: group.sublayer, of: layer, to: stream), level: 1 - level,
                first: index)
        }
    }

    /// Passes the streams of the quantized models through a sublayer, which is rounded by then.
    ///
    /// - Returns: their errors as shares of the unquantized model's streams: the roots of the sums of squares.
    func follow(
        through sublayer: Sublayer, of layer: Int, quantized: [LanguageModel]
    ) throws(CheckpointError) -> [Double] {
        guard !rounded.isEmpty else { return [] }
        let level = Self.level(sublayer, of: layer)
        let compute = reference.compute
        var (errors, size) = (Array(repeating: 0.0, count: rounded.count), 0.0)
        for index in 0..<count {
            let one = index..<index + 1
            let target = try exact.read(level: 1 - level, one)
            size += compute.squaresOfTokens(target).reduce(0) { $0 + Double($1) }
            for (variant, rounded) in rounded.enumerated() {
                guard let inputs = rounded.inputs[sublayer] else { continue }
                let stream = quantized[variant].add(
                    try inputs.read(one), through: sublayer, of: layer,
                    to: try rounded.streams.read(level: level, one))
                try rounded.streams.write(stream, level: 1 - level, first: index)
                errors[variant] += compute.squaresOfTokens(compute.subtract(stream, from: target))
                    .reduce(0) { $0 + Double($1) }
            }
        }
        return errors.map { ($0 / size).squareRoot() }
    }

    /// Passes all sequences through a sublayer that an earlier process rounded.
    func pass(
        _ sublayer: Sublayer, of layer: Int, quantized: [LanguageModel]
    ) throws(CheckpointError) {
        let level = Self.level(sublayer, of: layer)
        let pairs = [(reference, exact)] + zip(quantized, rounded.map(\.streams))
        for index in 0..<count {
            for (model, store) in pairs {
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
