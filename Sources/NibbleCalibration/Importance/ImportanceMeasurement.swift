internal import CLibrary
public import NibbleCheckpoint
internal import NibbleEvaluation
internal import NibbleModel
public import NibbleQuantization
internal import NibbleTensor
internal import NibbleTokenizer

/// Measures an importance matrix as llama-imatrix does: texts are cut in chunks, each passes through the model from an empty
/// context, and the squares of what each matrix takes in are summed over all tokens.
///
/// What is summed is kept beside the output, at least every half minute; a process that goes on from there gives the same
/// bytes as one that was never stopped.
public final class ImportanceMeasurement {
    private let request: ImportanceRequest
    private let evaluator: Evaluator
    private let batches: [[Chunk]]
    private let added: [ImportanceMatrix]
    /// What the sums depend on, once it was asked for.
    private var knownIdentity: ImportanceState.Identity?

    /// What the user should know of the model and the texts.
    public var notes: [CheckpointNote] { evaluator.notes }
    /// Chunks that are measured.
    public var chunkCount: Int { batches.reduce(0) { $0 + $1.count } }

    /// How far a measurement is.
    public struct Progress: Sendable {
        /// Chunks that have passed, those of earlier processes included.
        public var chunks: Int
        /// Chunks in all.
        public var total: Int
        /// Chunks that an earlier process had measured.
        public var resumed: Int
        /// Since this process began.
        public var elapsed: Duration
    }

    /// What was measured.
    public struct Result: Sendable {
        /// The matrix, as it was written.
        public var matrix: ImportanceMatrix
        /// How far it went.
        public var progress: Progress
    }

    /// Opens the model and the texts.
    ///
    /// - Throws: `CheckpointError` where one cannot be read, a text is too short, the output may not be replaced, or a matrix
    ///   to be added is of another model.
    public init(_ request: ImportanceRequest) throws(CheckpointError) {
        self.request = request
        try OutputPlace(file: request.output).check(replacing: request.replacesOutput)
        added = try ImportanceMatrix.read(request.added)
        evaluator = try Evaluator(request.evaluation)
        let model = evaluator.models[0]
        let chunks = evaluator.plans.flatMap(\.plan).dropFirst(request.skippedChunks)
        guard !chunks.isEmpty else {
            throw CheckpointError(
                .invalidRequest, path: evaluator.plans[0].name,
                "has \(evaluator.chunksPlanned) chunks, \(request.skippedChunks) are to be left out",
                advice: "leave out fewer")
        }
        if request.includesHead, model.configuration.tiesEmbeddings {
            throw CheckpointError(
                .invalidRequest, path: model.path,
                "has no vocabulary head of its own: it is the token embedding, of which llama.cpp measures nothing",
                advice: "leave out the head")
        }
        var batches: [[Chunk]] = []
        for chunk in chunks {
            let length = chunk.tokens.count
            if let last = batches.last, last[0].tokens.count == length,
                (last.count + 1) * length <= max(Calibrator.tokensAtATime, length)
            {
                batches[batches.count - 1].append(chunk)
            } else {
                batches.append([chunk])
            }
        }
        self.batches = batches
        for matrix in added { try matrix.check(fits: model.configuration) }
    }

    /// Measures and writes the output.
    ///
    /// - Parameters:
    ///   - progress: called after each pass through the model.
    ///   - isCancelled: asked before each.
    /// - Throws: `CheckpointError`: `cancelled`, with how to go on; `invalidValue` where activations are no numbers;
    ///   `inconsistent` where what lies beside the output is of another measurement; `inputOutput` where the disk is full. The
    ///   output is whole or as it was.
    public func run(
        progress: (Progress) -> Void = { _ in }, isCancelled: () -> Bool = { false }
    ) throws(CheckpointError) -> Result {
        let start = ContinuousClock.now
        let model = evaluator.models[0]
        let architecture = model.configuration.architecture
        let state = ImportanceState(path: request.output + ".partial")
        var (squares, done) =
            state.exists ? try state.read(try identity(), model.configuration) : (InputSquares(), 0)
        let resumed = batches[..<done].reduce(0) { $0 + $1.count }
        var reached = Progress(chunks: resumed, total: chunkCount, resumed: resumed, elapsed: .zero)
        var kept = start
        while done < batches.count {
            if isCancelled() {
                try state.write(squares, passes: done, try identity(), architecture)
                throw CheckpointError(
                    .cancelled, path: request.output,
                    "measuring was stopped after \(reached.chunks) of \(reached.total) chunks",
                    advice: "the same command goes on from there")
            }
            try CheckpointError.of { () throws(ModelError) in
                try squares.add(
                    batches[done].map(\.tokens), through: model, includesHead: request.includesHead)
            }
            if let fault = squares.fault(in: model.configuration) {
                throw CheckpointError(
                    .invalidValue, path: model.path, subject: "tensor '\(fault.name)'",
                    "takes in what is no finite number, in column \(fault.column), chunk \(reached.chunks + 1) on",
                    advice: "does the model give text? `nibble perplexity` tells")
            }
            reached.chunks += batches[done].count
            done += 1
            reached.elapsed = start.duration(to: .now)
            progress(reached)
            if kept.duration(to: .now) > .seconds(30) {
                try state.write(squares, passes: done, try identity(), architecture)
                kept = .now
            }
        }
        let matrix = try matrix(squares, chunks: reached.chunks)
        try matrix.write(to: request.output, replacing: request.replacesOutput)
        state.remove()
        return Result(matrix: matrix, progress: reached)
    }

    private func matrix(_ squares: InputSquares, chunks: Int) throws(CheckpointError) -> ImportanceMatrix {
        let model = evaluator.models[0]
        var measured = ImportanceMatrix(
            path: request.output, weights: squares.means(in: model.configuration.architecture),
            datasets: evaluator.plans.map(\.name), chunkCount: chunks, chunkSize: request.evaluation.context)
        measured.counts = measured.weights.mapValues { _ in [Float(squares.tokens)] }
        guard !added.isEmpty else { return measured }
        return try ImportanceMatrix.merged(
            added + [measured], chunkSize: request.evaluation.context, path: request.output)
    }

    /// What the sums depend on. The model is read for it as a whole: where nothing is kept, it is not asked for.
    private func identity() throws(CheckpointError) -> ImportanceState.Identity {
        if let knownIdentity { return knownIdentity }
        let model = evaluator.models[0]
        let digest = TeacherDigest(
            try ModelCheckpoint(path: model.path), threads: request.evaluation.threads)
        var text = SHA256()
        for chunk in batches.joined() {
            chunk.tokens.withUnsafeBytes { text.update($0) }
        }
        let identity = [
            ("model", "\(digest)"),
            ("text", text.hex),
            (
                "settings",
                "context \(request.evaluation.context), head \(request.includesHead ? "included" : "left out")"
            ),
            ("arithmetic", model.compute.arithmetic),
        ]
        knownIdentity = identity
        return identity
    }
}
