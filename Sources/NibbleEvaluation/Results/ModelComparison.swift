/// Several models compared with a base model on the same texts, complete or as far as it came.
///
/// ```swift
/// var result = ModelComparison(
///     base: baseRow, texts: ["wiki.txt"], context: 512, chunksPlanned: 40, precision: "f32", threads: 2)
/// result.append("q4_0", bytes: 165_000_000, bitsPerWeight: 4.9, chunksDone: 40, statistics: statistics)
/// ```
public struct ModelComparison: Sendable, Equatable {
    /// The base model and then the others, in the order given.
    public private(set) var rows: [ComparisonRow]
    /// The texts, as the user named them.
    public var texts: [String]
    /// Tokens of a chunk.
    public var context: Int
    /// Chunks that each model was to be evaluated on.
    public var chunksPlanned: Int
    /// How the models were computed: `f32`, `bf16`.
    public var precision: String
    /// Threads used.
    public var threads: Int
    /// Time for evaluating all models.
    public var seconds: Double
    /// Models that were to be compared but were not begun.
    public var missing: [String] = []

    /// Creates a result of the base model alone.
    public init(
        base: ComparisonRow, texts: [String], context: Int, chunksPlanned: Int, precision: String,
        threads: Int, seconds: Double = 0
    ) {
        rows = [base]
        self.texts = texts
        self.context = context
        self.chunksPlanned = chunksPlanned
        self.precision = precision
        self.threads = threads
        self.seconds = seconds
    }

    /// Adds a model. The first one added is the one that `ComparisonRow.recovered` of the later ones refers to.
    public mutating func append(
        _ name: String, bytes: Int, bitsPerWeight: Double, chunksDone: Int, statistics: DivergenceStatistics
    ) {
        rows.append(
            ComparisonRow(
                name, bytes: bytes, bitsPerWeight: bitsPerWeight, chunksDone: chunksDone,
                statistics: statistics, firstDifference: rows.dropFirst().first?.difference?.value))
    }

    /// Whether every model was evaluated on every chunk.
    public var isComplete: Bool { missing.isEmpty && rows.allSatisfy { $0.chunksDone == chunksPlanned } }
}
