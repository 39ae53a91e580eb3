internal import Dispatch
public import NibbleCheckpoint
public import NibbleNumerics
internal import Synchronization

/// How far a conversion has come.
public struct ConversionProgress: Sendable {
    /// Source bytes done.
    public var bytesDone: Int
    /// Source bytes in all.
    public var bytesTotal: Int
    /// Time since the start.
    public var elapsed: Duration
    /// The tensor last touched.
    public var tensor: String
}

/// What a conversion did.
public struct ConversionSummary: Sendable {
    /// Source bytes of the tensors.
    public var sourceBytes: Int
    /// Bytes of the files written.
    public var outputBytes: Int
    /// Time for reading, encoding and writing, commit included.
    public var elapsed: Duration
    /// What quantizing the output again would make of trained blocks; nil where it is no folder or nothing was
    /// replaced by quantized rows.
    public var export: ExportReport?
    /// What became of the blocks of matrices that lie on the lattice of their format.
    public var lattices = LatticeCounts()
    /// What the user should know of the source: ``Converter/notes``.
    public var notes: [CheckpointNote] = []
}

extension Converter {
    /// Writes the output.
    ///
    /// The result does not depend on the number of threads. On error or cancellation nothing is left behind and
    /// an old output is untouched.
    ///
    /// - Parameters:
    ///   - progress: called about ten times a second, never from two threads at once.
    ///   - isCancelled: asked between pieces of work, from any thread.
    /// - Throws: ``CheckpointError``, with code `cancelled` where `isCancelled` said so.
    @discardableResult
    public func run(
        progress: @escaping @Sendable (ConversionProgress) -> Void = { _ in },
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws(CheckpointError) -> ConversionSummary {
        let start = ContinuousClock.now
        let writer = try CheckpointWriter(layout, replacing: request.replacesOutput)
        let pieces = jobs.indices.flatMap { PieceOfWork.cut(jobs[$0], index: $0) }
        let total = jobs.reduce(0) { $0 + $1.source.byteCount }
        let queue = WorkQueue(pieces.count)
        let counts = Mutex<[Int: ReencodingCounts]>([:])
        let lattices = Mutex(LatticeCounts())
        DispatchQueue.concurrentPerform(iterations: min(request.threads, max(pieces.count, 1))) { _ in
            let worker = ConversionWorker(self, writer)
            defer {
                counts.withLock { $0.merge(worker.reencodingCounts, uniquingKeysWith: +) }
                lattices.withLock { $0 += worker.latticeCounts }
            }
            while let index = queue.next() {
                let piece = pieces[index]
                do throws(CheckpointError) {
                    if isCancelled() { throw CheckpointError(.cancelled, path: layout.path, "stopped") }
                    try worker.perform(piece)
                } catch {
                    return queue.fail(error)
                }
                queue.finished(sourceBytes: piece.sourceBytes) { done in
                    progress(
                        ConversionProgress(
                            bytesDone: done, bytesTotal: total, elapsed: start.duration(to: .now),
                            tensor: jobs[piece.job].name))
                }
            }
        }
        if let error = queue.error {
            writer.abort()
            throw error
        }
        try writer.commit(flush: request.flushes)
        return ConversionSummary(
            sourceBytes: total, outputBytes: layout.totalSize, elapsed: start.duration(to: .now),
            export: exportReport(counts.withLock { $0 }), lattices: lattices.withLock { $0 }, notes: notes)
    }

    private func exportReport(_ counts: [Int: ReencodingCounts]) -> ExportReport? {
        guard !counts.isEmpty else { return nil }
        return ExportReport(
            tensors: counts.sorted { $0.key < $1.key }.map { index, counts in
                .init(
                    name: jobs[index].name, role: jobs[index].planned.role, format: jobs[index].source.format,
                    counts: counts)
            })
    }
}

/// A run of rows of one tensor (or of elements, where rows do not matter): what a thread does at a time.
struct PieceOfWork: Sendable {
    /// Index in the converter's jobs.
    var job: Int
    /// Elements of the output that the piece makes.
    var elements: Range<Int>
    /// Bytes that it reads.
    var sourceBytes: Int

    /// Elements of a piece: enough that a system call for each does not count, few enough that pieces of
    /// all threads stay in the caches.
    static let elements = 1 << 18

    static func cut(_ job: TensorJob, index: Int) -> [PieceOfWork] {
        let total = job.elementCount
        guard total > 0 else { return [] }
        let unit = job.unit
        let size = max(elements / unit, 1) * unit
        return stride(from: 0, to: total, by: size).map { start in
            let range = start..<min(start + size, total)
            return PieceOfWork(
                job: index, elements: range,
                sourceBytes: job.source.byteCount * range.count / total)
        }
    }
}
