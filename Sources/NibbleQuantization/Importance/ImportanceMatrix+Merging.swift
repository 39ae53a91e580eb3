public import NibbleCheckpoint

extension ImportanceMatrix {
    /// Reads several files.
    package static func read(_ paths: [String]) throws(CheckpointError) -> [ImportanceMatrix] {
        var matrices: [ImportanceMatrix] = []
        for path in paths { matrices.append(try ImportanceMatrix(path: path)) }
        return matrices
    }

    /// Puts files together and writes the result.
    ///
    /// - Parameters:
    ///   - chunkSize: as for ``merged(_:chunkSize:path:)``.
    ///   - replacing: whether what is at `output` may be replaced.
    /// - Throws: ``CheckpointError`` where a file cannot be read, two do not fit, or the output cannot be written.
    public static func merging(
        _ paths: [String], chunkSize: Int, to output: String, replacing: Bool = false
    ) throws(CheckpointError) -> ImportanceMatrix {
        try OutputPlace(file: output).check(replacing: replacing)
        let matrix = try merged(try read(paths), chunkSize: chunkSize, path: output)
        try matrix.write(to: output, replacing: replacing)
        return matrix
    }

    /// Puts importance matrices together, as if all their texts had been measured at once.
    ///
    /// Weights are means over the tokens of all files. A file in the older form counts chunks, not tokens: they count as
    /// `chunkSize` tokens each, as in llama-imatrix.
    ///
    /// - Parameters:
    ///   - matrices: one at least.
    ///   - chunkSize: tokens of a chunk of the result, and of files that do not say it.
    ///   - path: the name that files made with it will mention.
    /// - Throws: ``CheckpointError`` where two have weights of different length for a tensor.
    public static func merged(
        _ matrices: [ImportanceMatrix], chunkSize: Int, path: String
    ) throws(CheckpointError) -> ImportanceMatrix {
        precondition(!matrices.isEmpty, "no importance matrices")
        precondition(chunkSize > 0, "chunks of \(chunkSize) tokens")
        var sums: [String: (values: [Double], counts: [Double], path: String)] = [:]
        for matrix in matrices {
            for (name, weights) in matrix.weights {
                let (values, counts) = matrix.sums(of: name, weights, chunkSize: chunkSize)
                guard let old = sums[name] else {
                    sums[name] = (values, counts, matrix.path)
                    continue
                }
                guard old.values.count == values.count, old.counts.count == counts.count else {
                    throw CheckpointError(
                        .inconsistent, path: matrix.path, subject: "tensor '\(name)'",
                        "has \(values.count) weights in \(counts.count) parts, \(old.path) has \(old.values.count) in "
                            + "\(old.counts.count)",
                        advice: "put files of one model together")
                }
                sums[name] = (
                    zip(old.values, values).map(+), zip(old.counts, counts).map(+), old.path
                )
            }
        }
        var result = ImportanceMatrix(
            path: path, weights: [:], datasets: matrices.flatMap(\.datasets), chunkSize: chunkSize)
        for (name, sum) in sums {
            let part = sum.values.count / sum.counts.count
            result.counts[name] = sum.counts.map { Float($0) }
            result.weights[name] = sum.values.enumerated().map { index, value in
                let count = sum.counts[index / max(part, 1)]
                return count > 0 ? Float(value / count) : 1
            }
        }
        let most = result.counts.values.flatMap { $0 }.max() ?? 0
        result.chunkCount = Int(most) / chunkSize
        return result
    }

    /// What the weights of a tensor are means of: sums, and how many tokens they cover, one number for each part of it.
    ///
    /// - Parameter chunkSize: tokens of a chunk, where the matrix does not say it.
    func sums(
        of name: String, _ weights: [Float], chunkSize: Int = 1
    ) -> (values: [Double], counts: [Double]) {
        let all =
            Double(max(chunks[name] ?? chunkCount ?? 1, 1)) * Double(max(self.chunkSize ?? chunkSize, 1))
        let counts = counts[name]?.map { Double($0) } ?? [all]
        let part = max(weights.count / counts.count, 1)
        return (weights.enumerated().map { Double($1) * counts[$0 / part] }, counts)
    }

    /// Throws where a tensor of a model has another number of columns than there are weights.
    package func check(fits shape: ModelConfiguration) throws(CheckpointError) {
        var known = 0
        for role in shape.roles {
            guard let name = NamingScheme.gguf.name(of: role, in: shape.architecture),
                let columns = shape.shape(of: role)?.last, role.kind != .tokenEmbedding
            else { continue }
            if try weights(for: name, columns: columns, isEmbedding: false) != nil { known += 1 }
        }
        guard known > 0 else {
            throw CheckpointError(
                .inconsistent, path: path, "has weights for no tensor of the model",
                advice: "the importance matrix was made for another model")
        }
    }
}
