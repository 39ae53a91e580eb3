internal import Foundation
internal import NibbleCheckpoint

/// What an importance matrix says of the inputs of one tensor: the figures of llama-imatrix's `--show-statistics`.
public struct ImportanceStatistics: Sendable, Equatable {
    /// The GGUF name of the tensor.
    public var name: String
    /// The block; nil outside of blocks.
    public var layer: Int?
    /// Columns.
    public var count: Int
    /// Sum of the mean squares of all columns.
    public var total: Double
    /// Their smallest, largest and mean.
    public var minimum, maximum, mean: Double
    /// Their standard deviation.
    public var deviation: Double
    /// The share of columns whose mean square is above 10⁻⁵.
    public var active: Double
    /// Entropy of the columns' shares of the sum, in bits.
    public var entropy: Double
    /// The same as a share of the largest possible, log₂ of their number.
    public var evenness: Double
    /// The share of columns that lie more than one standard deviation above the mean.
    public var outstanding: Double
    /// Cosine of the angle to the same tensor's sums in the block before; nil where there is none.
    public var similarity: Double?

    /// What of a tensor is left where one expert or more saw no token.
    init?(name: String, means: [Float]) {
        guard !means.isEmpty else { return nil }
        let values = means.map { Double($0) }
        self.name = name
        count = values.count
        total = values.reduce(0, +)
        minimum = values.min() ?? 0
        maximum = values.max() ?? 0
        let mean = total / Double(count)
        self.mean = mean
        deviation = max(0, values.reduce(0) { $0 + $1 * $1 } / Double(count) - mean * mean).squareRoot()
        active = Double(values.count { $0 > 1e-5 }) / Double(count)
        let sum = total
        entropy =
            sum > 0
            ? values.reduce(0) { $1 > 0 ? $0 - $1 / sum * Foundation.log2($1 / sum) : $0 } : 0
        evenness = count > 1 ? entropy / Foundation.log2(Double(count)) : 0
        let limit = mean + deviation
        outstanding = deviation > 0 ? Double(values.count { $0 > limit }) / Double(count) : 0
    }
}

extension ImportanceMatrix {
    /// Statistics of all tensors: by block, those outside of blocks last, each in the order of names.
    public var statistics: [ImportanceStatistics] {
        var result: [ImportanceStatistics] = []
        for (name, means) in weights {
            guard var statistics = ImportanceStatistics(name: name, means: means) else { continue }
            if let place = Self.place(name) {
                statistics.layer = place.layer
                if let before = weights["blk.\(place.layer - 1).\(place.rest)"] {
                    statistics.similarity = Self.cosine(means, before)
                }
            }
            result.append(statistics)
        }
        return result.sorted { ($0.layer ?? .max, $0.name) < ($1.layer ?? .max, $1.name) }
    }

    /// The block of a tensor, and the rest of its name.
    private static func place(_ name: String) -> (layer: Int, rest: Substring)? {
        let parts = name.split(separator: ".", maxSplits: 2)
        guard parts.count == 3, parts[0] == "blk", let layer = Int(parts[1]) else { return nil }
        return (layer, parts[2])
    }

    private static func cosine(_ a: [Float], _ b: [Float]) -> Double? {
        guard a.count == b.count else { return nil }
        func dot(_ a: [Float], _ b: [Float]) -> Double {
            zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        }
        let size = (dot(a, a) * dot(b, b)).squareRoot()
        return size > 0 ? dot(a, b) / size : nil
    }
}
