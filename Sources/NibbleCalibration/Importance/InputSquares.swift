internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleTensor

/// Sums of the squares of what the matrices of a model take in, feature by feature: what an importance matrix is made of.
struct InputSquares {
    /// Where a sum belongs to: matrices with one input.
    enum Input: Hashable {
        case group(Sublayer.InputGroup, layer: Int)
        /// The vocabulary head.
        case head
    }

    private(set) var sums: [Input: [Double]] = [:]
    /// Tokens that have passed.
    private(set) var tokens = 0

    init() {}

    /// Sums that an earlier process has.
    init(sums: [Input: [Double]], tokens: Int) {
        self.sums = sums
        self.tokens = tokens
    }

    /// Passes sequences of equal length through a model.
    ///
    /// - Parameter includesHead: whether the inputs of the vocabulary head count, too.
    mutating func add(
        _ sequences: [[Int32]], through model: LanguageModel, includesHead: Bool = false
    ) throws(ModelError) {
        var sums = sums
        func add(_ x: Tensor, _ input: Input) {
            model.compute.addSquares(
                of: x, to: &sums[input, default: [Double](repeating: 0, count: x.features)])
        }
        let stream = try model.residual(
            sequences, observe: { group, layer, x in add(x, .group(group, layer: layer)) })
        if includesHead { add(model.finalStates(stream, positions: 0..<sequences[0].count), .head) }
        self.sums = sums
        tokens += sequences.reduce(0) { $0 + $1.count }
    }

    /// The matrices of an input, by their GGUF names.
    static func names(_ input: Input, in architecture: Architecture) -> [String] {
        let roles =
            switch input {
            case .group(let group, let layer): group.kinds.map { TensorRole($0, layer: layer) }
            case .head: [TensorRole(.output)]
            }
        return roles.compactMap { NamingScheme.gguf.name(of: $0, in: architecture) }
    }

    /// The inputs of a model, in the order in which a token meets them.
    static func inputs(layers: Int) -> [Input] {
        (0..<layers).flatMap { layer in
            Sublayer.inputGroups.map { Input.group($0, layer: layer) }
        } + [.head]
    }

    /// The first sum that is no finite number, in the order in which a token meets them: the matrix that takes it in, and
    /// the column.
    func fault(in shape: ModelConfiguration) -> (name: String, column: Int)? {
        for input in Self.inputs(layers: shape.layerCount) {
            guard let column = sums[input]?.firstIndex(where: { !$0.isFinite }) else { continue }
            return (Self.names(input, in: shape.architecture).first ?? "\(input)", column)
        }
        return nil
    }

    /// The means, by GGUF names.
    func means(in architecture: Architecture) -> [String: [Float]] {
        var means: [String: [Float]] = [:]
        for (input, sum) in sums {
            let mean = sum.map { Float($0 / Double(max(tokens, 1))) }
            for name in Self.names(input, in: architecture) { means[name] = mean }
        }
        return means
    }
}
